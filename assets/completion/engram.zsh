#compdef engram
# Completes engram's command line: asks `engram completion` what fits, and adds paths where its answer has the line :path.
_engram() {
  local line answer paths= missed=1
  local -a described
  while IFS= read -r line; do
    answer="${line%%$'\t'*}"
    if [[ $answer == :path ]]; then
      paths=1
    else
      described+=("${answer//:/\\:}:${line#*$'\t'}")
    fi
  done < <("${words[1]}" completion zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( ${#described} )) && _describe engram described && missed=0
  [[ -n $paths ]] && _files && missed=0
  return missed
}
compdef _engram engram
