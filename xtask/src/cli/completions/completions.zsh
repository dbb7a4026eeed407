# zsh completions of `{alias}`, to be read after `compinit`. What completes the rest of cargo stays
# in place.

# command|word|values|description; the row without a word is about arguments.
{id}_rows={rows}

{id}() {
    local -i at=2
    while [[ $words[at] == +* ]]; do ((at++)); done
    if ((CURRENT <= at)) || [[ $words[at] != {name} ]]; then
        ${{id}_before:-_default} "$@"
        return
    fi
    local command= previous=$words[CURRENT-1]
    ((CURRENT > at + 1)) && command=$words[at+1]
    ((${words[(i)--]} < CURRENT)) && return 1
    if [[ $PREFIX == --*=* ]]; then
        previous=${PREFIX%%=*}
        compset -P '*='
    fi
    local row_command word values description argument= wanted=
    local -a offered
    while IFS='|' read -r row_command word values description; do
        [[ $row_command == "$command" ]] || continue
        [[ -n $word ]] && offered+=("$word:$description")
        [[ -z $word ]] && argument=$values
        [[ $word == "$previous" ]] && wanted=$values
    done <<< "${id}_rows"
    if [[ $PREFIX != -* && -n $wanted$argument ]]; then
        case ${wanted:-$argument} in
            :any) return 1 ;;
            :files) _files ;;
            :tests) compadd -- ${(f)"$({tests})"} ;;
            *) compadd -- ${=${wanted:-$argument}} ;;
        esac
        return
    fi
    _describe word offered
}

[[ $_comps[cargo] == {id} ]] || {id}_before=$_comps[cargo]
compdef {id} cargo
