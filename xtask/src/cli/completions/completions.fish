# fish completions of `{alias}`, beside those of cargo.

# command|word|values|description; the row without a word is about arguments.
set -g {id}_rows {rows}

# The words from the command on, if the command line is one of ours.
function {id}_words
    set -l words (commandline -opc)
    set -e words[1]
    while string match -q -- '+*' $words[1]
        set -e words[1]
    end
    test "$words[1]" = {name}
    and not contains -- -- $words
    and printf '%s\n' $words
end

function {id}
    set -l words ({id}_words)
    set -l current (commandline -ct)
    set -l command $words[2]
    set -l previous $words[-1]
    set -l joined
    if string match -q -- '--*=*' $current
        set previous (string split -m 1 = -- $current)[1]
        set joined "$previous="
    end
    set -l argument
    set -l wanted
    set -l offered
    for row in (string split \n -- ${id}_rows)
        set -l fields (string split -m 3 '|' -- $row)
        test "$fields[1]" = "$command"; or continue
        if test -z "$fields[2]"
            set argument $fields[3]
        else
            set -a offered "$fields[2]"\t"$fields[4]"
            test "$fields[2]" = "$previous"; and set wanted $fields[3]
        end
    end
    test -n "$wanted"; or set wanted $argument
    if test -z "$wanted"; or string match -q -- '-*' $current; and test -z "$joined"
        printf '%s\n' $offered
        return
    end
    switch $wanted
        case :any
        case :files
            __fish_complete_path (string replace -- "$joined" '' $current) | string replace -r '^' -- "$joined"
        case :tests
            {tests} | string replace -r '^' -- "$joined"
        case '*'
            string split ' ' -- $wanted | string replace -r '^' -- "$joined"
    end
end

complete -c cargo -n '{id}_words > /dev/null' -f -a '({id})'
