# Completes engram's command line: asks `engram completion` what fits, and adds paths where its answer has the line :path.
function __engram_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] completion fish -- $words[2..-1] "$current" 2>/dev/null)
    if string match -q ':path*' -- $line
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c engram -f -a '(__engram_complete)'
