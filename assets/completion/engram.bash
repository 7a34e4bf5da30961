# Completes engram's command line: asks `engram completion` what fits, and adds paths where its answer has the line :path.
# Bash cuts words at : @ and =, which names of models have. So the line is cut at spaces here, and what Bash holds of the
# word already is taken off the answers.
_engram() {
  local line="${COMP_LINE:0:COMP_POINT}" current cut answer paths=
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current="${words[${#words[@]}-1]}"
  cut="${current%"${current##*[:@=]}"}"
  COMPREPLY=()
  while IFS=$'\t' read -r answer _; do
    if [[ $answer == :path ]]; then paths=1; else COMPREPLY+=("${answer#"$cut"}"); fi
  done < <("${words[0]}" completion bash -- "${words[@]:1}" 2>/dev/null)
  if [[ -n $paths && -z $cut ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen -f -- "$current")
  fi
}
complete -F _engram engram
