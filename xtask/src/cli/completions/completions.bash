# bash completions of `{alias}`. What completes the rest of cargo stays in place.

# command|word|values|description; the row without a word is about arguments.
{id}_rows={rows}

{id}() {
    local at=1
    while [[ ${COMP_WORDS[at]} == +* ]]; do ((at++)); done
    if ((COMP_CWORD <= at)) || [[ ${COMP_WORDS[at]} != {name} ]]; then
        {id}_others "$@"
        return
    fi
    COMPREPLY=()
    local command= current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    ((COMP_CWORD > at + 1)) && command=${COMP_WORDS[at + 1]}
    # bash makes three words of `--option=value`.
    [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $current == = ]] && current=
    local before
    for before in "${COMP_WORDS[@]:at:COMP_CWORD - at}"; do
        [[ $before == -- ]] && return
    done
    local row_command word values words=() argument= wanted=
    while IFS='|' read -r row_command word values _; do
        [[ $row_command == "$command" ]] || continue
        words+=("$word")
        [[ -z $word ]] && argument=$values
        [[ $word == "$previous" ]] && wanted=$values
    done <<< "${id}_rows"
    if [[ $current != -* ]]; then
        case ${wanted:-$argument} in
            '') ;;
            :any) return ;;
            :files)
                compopt -o filenames 2> /dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
                ;;
            :tests) mapfile -t words < <({tests}) ;;
            *) read -r -a words <<< "${wanted:-$argument}" ;;
        esac
    fi
    for word in "${words[@]}"; do
        [[ -n $word && $word == "$current"* ]] && COMPREPLY+=("$(printf %q "$word")")
    done
}

{id}_others() {
    if [[ -z ${id}_before ]]; then
        # bash-completion loads what completes a command when it is needed first.
        local now
        now=$(complete -p cargo)
        complete -r cargo
        if declare -F _comp_load > /dev/null; then
            _comp_load cargo
        elif declare -F _completion_loader > /dev/null; then
            _completion_loader cargo
        fi &> /dev/null
        {id}_before=$(complete -p cargo 2> /dev/null)
        eval "$now"
    fi
    if [[ ${id}_before =~ -F\ ([^ ]+) ]]; then
        "${BASH_REMATCH[1]}" "$@"
    fi
}

if [[ $(complete -p cargo 2> /dev/null) != *'-F {id} '* ]]; then
    {id}_before=$(complete -p cargo 2> /dev/null)
    complete -F {id} cargo
fi
