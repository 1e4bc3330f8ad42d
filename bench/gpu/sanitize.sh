#!/bin/sh
# compute-sanitizer over the kernel checks, family by family, so that a slow one does not hide the others; one line each, and JSON with the commit.
#   sh bench/gpu/sanitize.sh OUT.json [family…]      default: all. .gpu as bench/gpu/prepare.sh made it (GPU_FOLDER)
# TOOLS picks among memcheck, racecheck and initcheck; SANITIZE_SECONDS is the limit of one run (racecheck of 'linear vector' wants about 150, of 'linear rows' more than 430; 'walk' took 170 s in all three).
gpu=${GPU_FOLDER:-.gpu}
out=$1
shift
[ $# -gt 0 ] || set -- elementwise norms rope gated embedding numbers fp8 loss optimizer sampling lora 'linear decode' 'linear vector' 'linear rows' 'paged attention' 'attention step' walk attention
log=$(mktemp)
printf '{"commit":"%s","card":"%s","results":[' "$(cat "$gpu/commit")" "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)" > "$out"
comma=
for family in "$@"; do
  for tool in ${TOOLS:-memcheck racecheck initcheck}; do
    timeout "${SANITIZE_SECONDS:-40}" compute-sanitizer --tool "$tool" --report-api-errors no --error-exitcode 9 "$gpu/cuda-check" --images "$gpu/build/cuda" --family "$family" > "$log" 2>&1
    code=$?
    cases=$(grep -c '^ok' "$log") failed=$(grep -c '^FAIL' "$log")
    summary=$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$log" | tail -1 | sed 's/=* *//')
    echo "$tool $family: exit $code, $cases cases, $failed failed, ${summary:-not ended}"
    [ $code -eq 0 ] || grep '=========' "$log" | head -4 | cut -c1-160
    printf '%s\n {"tool":"%s","family":"%s","exit":%s,"cases":%s,"failed":%s,"summary":"%s"}' "$comma" "$tool" "$family" "$code" "$cases" "$failed" "${summary:-not ended}" >> "$out"
    comma=,
  done
done
printf '\n]}\n' >> "$out"
rm -f "$log"
