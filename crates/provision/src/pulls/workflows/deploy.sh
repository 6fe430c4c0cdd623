#!/bin/sh
# Applies the Terraform that Proton proposes, and tells Proton how it went. Runs in pipelines and by hand alike.
#
#   deploy.sh changed BASE [HEAD]   the folders whose deployment changed between two commits
#   deploy.sh plan FOLDER...        terraform plan
#   deploy.sh apply FOLDER...       terraform apply, then NotifyResourceDeploymentStatusChange with the outputs
#   deploy.sh destroy FOLDER...     terraform destroy, for folders whose resource is deleted in Proton
#
# Needs git, terraform and the AWS command line. What may be set:
#   TERRAFORM         the program [terraform]; tofu will do
#   PROTON_ENDPOINT   where Proton is, unless the AWS command line knows
#   PROTON_REGION     its region, unless that of the resource
#   PROTON_BACKEND    the kind of backend for folders that configure none: s3, http, local ...
#   PROTON_BACKEND_CONFIG   its settings, one NAME=VALUE a line; {folder} and {key} stand for the folder and for the resource
set -eu

terraform=${TERRAFORM:-terraform}
metadata=.proton/deployment-metadata.json

fail() {
    echo "deploy.sh: $*" >&2
    exit 1
}

# The value of a text in a folder's metadata.
told() {
    sed -n "s/^.*\"$2\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*\$/\1/p" "$1/$metadata" | head -n 1
}

is_deleted() {
    grep -q '"isResourceDeleted"[[:space:]]*:[[:space:]]*true' "$1/$metadata"
}

changed() {
    # Names that Proton does not give are nobody's: they would be taken apart, or for options, by what reads the list.
    git diff --name-only --diff-filter=AM "$1" "${2:-HEAD}" |
        sed -n -e "s|/$metadata\$||p" |
        grep -E '^[A-Za-z0-9_][A-Za-z0-9_./-]*$' || true
}

# Proton, as whoever the AWS command line is signed in as.
proton() {
    arn=$1
    shift
    region=${PROTON_REGION:-$(echo "$arn" | cut -d: -f4)}
    set -- proton "$@" --region "$region"
    if [ -n "${PROTON_ENDPOINT:-}" ]; then
        set -- "$@" --endpoint-url "$PROTON_ENDPOINT"
    fi
    aws "$@"
}

notify() {
    arn=$1 deployment=$2 status=$3 message=$4 outputs=$5
    set -- --resource-arn "$arn" --deployment-id "$deployment" --status "$status"
    if [ -n "$message" ]; then
        set -- "$@" --status-message "$message"
    fi
    if [ "$outputs" != "[]" ]; then
        set -- "$@" --outputs "$outputs"
    fi
    proton "$arn" notify-resource-deployment-status-change "$@"
}

init() {
    if [ -n "${PROTON_BACKEND:-}" ] && ! grep -qsE '^[[:space:]]*backend[[:space:]]+"' ./*.tf; then
        printf 'terraform {\n  backend "%s" {}\n}\n' "$PROTON_BACKEND" >proton_backend_override.tf
        key=$(told . arn | cut -d: -f4- | tr ':' '/')
        set -- init -input=false -no-color
        # Settings have blanks in them, perhaps, and end with their lines.
        ifs=$IFS
        IFS='
'
        for setting in ${PROTON_BACKEND_CONFIG:-}; do
            setting=$(printf '%s' "$setting" | sed -e "s|{folder}|$folder|g" -e "s|{key}|$key|g")
            set -- "$@" "-backend-config=$setting"
        done
        IFS=$ifs
        "$terraform" "$@"
    else
        "$terraform" init -input=false -no-color
    fi
}

# The outputs as Proton takes them: texts. Those that are sensitive, empty or longer than 1024 characters are left out.
outputs() {
    list=
    listed=$("$terraform" output -no-color 2>/dev/null) || listed=
    names=$(printf '%s\n' "$listed" | sed -n 's/^\([A-Za-z_][A-Za-z0-9_-]*\) = .*$/\1/p')
    for name in $names; do
        if printf '%s\n' "$listed" | grep -q "^$name = <sensitive>\$"; then
            continue
        fi
        value=$("$terraform" output -no-color -json "$name" 2>/dev/null | tr -d '\n') || continue
        case $value in
        '"'*) ;;
        *) value="\"$(printf '%s' "$value" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')\"" ;;
        esac
        if [ "$value" = '""' ] || [ "$value" = '"null"' ] || [ "${#value}" -gt 1026 ]; then
            echo "deploy.sh: Proton does not take the output $name" >&2
            continue
        fi
        list="$list${list:+,}{\"key\":\"$name\",\"valueString\":$value}"
    done
    printf '[%s]' "$list"
}

plan() {
    if is_deleted .; then
        echo "$folder: deleted in Proton; what is left of it stays until \`deploy.sh destroy $folder\`"
        return
    fi
    init && "$terraform" plan -input=false -no-color
}

apply() {
    if is_deleted .; then
        echo "$folder: deleted in Proton; what is left of it stays until \`deploy.sh destroy $folder\`"
        return
    fi
    arn=$(told . arn)
    deployment=$(told . deploymentId)
    notify "$arn" "$deployment" IN_PROGRESS "" "[]" || fail "$folder: Proton does not take the notification"
    log=$(mktemp)
    # The status of the first command of a pipeline is lost to the shell: the file keeps it.
    { { init && "$terraform" apply -input=false -no-color -auto-approve; } 2>&1 || echo failed >"$log.failed"; } | tee "$log"
    if [ -e "$log.failed" ]; then
        rm -f "$log.failed"
        # The last lines tell most. Plain characters only: a cut may go through others.
        message=$(tail -n 30 "$log" | LC_ALL=C tr -cd '\12\40-\176' | tail -c 2000)
        rm -f "$log"
        notify "$arn" "$deployment" FAILED "${message:-terraform failed}" "[]"
        fail "$folder failed"
    fi
    rm -f "$log"
    notify "$arn" "$deployment" SUCCEEDED "" "$(outputs)"
}

destroy() {
    is_deleted . || fail "$folder is not deleted in Proton"
    init && "$terraform" destroy -input=false -no-color -auto-approve
}

command=${1:-}
[ -n "$command" ] && shift
case $command in
changed)
    [ $# -ge 1 ] || fail "changed takes a commit, or two"
    changed "$@"
    ;;
plan | apply | destroy)
    result=0
    for folder; do
        [ -f "$folder/$metadata" ] || fail "$folder has no $metadata"
        # Each for itself: one that fails leaves the others be.
        (cd "$folder" && "$command") || result=1
    done
    exit $result
    ;;
*)
    sed -n '2,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p'
    exit 2
    ;;
esac
