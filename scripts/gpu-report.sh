#!/usr/bin/env bash
# What a machine with a GPU does with DeqDet, on one page: whether it computes the recorded numbers, how fast, in which precision, how often it waits.
#
#   scripts/gpu-report.sh [FOLDER]        the page is FOLDER/report.md, by default gpu-report/report.md; everything it was made from lies beside it
#
# DEQDET   the program: deqdet of a self-contained build (docs/gpu.md says how to make one and how it finds PyTorch's libraries); by default
#          that of this repository, built before
# DEVICE   cuda, cuda:N or cpu; by default cuda where the program finds a GPU, else cpu
# AGAINST  a TorchScript module of one application to compare the step with (docs/performance.md)
# GOLDEN   golden files to verify; by default tests/golden
#
# On the CPU everything is small and takes half a minute: there the script shows that it works, not what a GPU does. Needs bash, awk and sed alone.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-gpu-report}
golden=${GOLDEN:-$root/tests/golden}
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
page=$out/report.md
failures=0

deqdet() {
  if [ -n "${DEQDET:-}" ]; then "$DEQDET" "$@"; else dotnet run --no-build --project "$root/src/DeqDet.Host" -- "$@"; fi
}

say() { printf '%s\n' "$*" >>"$page"; }

# kept NAME COMMAND... : runs it, keeps what it prints in NAME.txt, and counts a failure.
kept() {
  local name=$1 code
  shift
  printf '%s\n' "$name" >&2
  "$@" >"$out/$name.txt" 2>&1
  code=$?
  if [ "$code" -ne 0 ]; then
    failures=$((failures + 1))
    printf '  failed with exit code %d, see %s\n' "$code" "$out/$name.txt" >&2
  fi
  return "$code"
}

quote() { say '```'; sed 's/\x1b\[[0-9;]*m//g' "$out/$1.txt" >>"$page"; say '```'; say; }

: >"$page"
kept doctor deqdet doctor
if [ -z "${DEVICE:-}" ]; then
  DEVICE=cpu
  grep -q '^ *ok *cuda:0 ' "$out/doctor.txt" && DEVICE=cuda
fi
case $DEVICE in
cpu)
  name=$(sed -nE 's/^ *ok +cpu +//p' "$out/doctor.txt")
  precisions='fp32'
  tf32=''
  steps=20 size=64x96
  model=(--config "$root/configs/shapes.json")
  verified=(--only tiny_units)
  # float16 is for GPUs; bfloat16 where the processor has it
  deqdet bench train "${model[@]}" --size "$size" --pairs 1 --precision bf16 >/dev/null 2>&1 && precisions='fp32 bf16'
  ;;
cuda*)
  name=$(sed -nE "s/^ *ok +cuda:0 +//p" "$out/doctor.txt")
  precisions='fp32 bf16 fp16'
  tf32='--tf32'
  steps=200 size=800x1344
  model=(--config "$root/configs/deqdet_r50_2x_coco.json")
  verified=()
  ;;
*)
  printf 'DEVICE=%s is none of cpu, cuda and cuda:N\n' "$DEVICE" >&2
  exit 2
  ;;
esac

say "# DeqDet on $name"
say
say "$(date -u +%Y-%m-%d), $(deqdet --version), \`--device $DEVICE\`"
[ "$DEVICE" = cpu ] && say && say 'Of a CPU, in small sizes: this page shows that the script works.'
say
say '## The machine'
say
quote doctor

say '## The recorded numbers'
say
say '| float32 products | result |'
say '|---|---|'
for mode in exact $tf32; do
  file=verify-${mode#--}
  argument=()
  [ "$mode" = exact ] || argument=("$mode")
  kept "$file" deqdet verify "$golden" --device "$DEVICE" "${verified[@]}" "${argument[@]}"
  say "| ${mode#--} | $(tail -n 3 "$out/$file.txt" | grep -E 'check|error' | tail -n 1) |"
done
say
say 'TF32 keeps 10 bits of mantissa: numbers that fail with it and not without are its rounding.'
say

say '## A step and a whole image'
say
against=()
[ -n "${AGAINST:-}" ] && against=(--against "$AGAINST")
for mode in exact $tf32; do
  argument=()
  [ "$mode" = exact ] || argument=("$mode")
  kept "step-${mode#--}" deqdet bench step "${model[@]}" --size "$size" --device "$DEVICE" --pairs 5 "${against[@]}" "${argument[@]}" \
    --json "$out/step-${mode#--}.json" && quote "step-${mode#--}"
  kept "image-${mode#--}" deqdet bench image "${model[@]}" --size "$size" --device "$DEVICE" --pairs 3 "${argument[@]}" \
    --json "$out/image-${mode#--}.json" && quote "image-${mode#--}"
done

# A data set of shapes at the size of the run: what is in the pictures does not matter for its cost.
write_settings() {
  if [ "$DEVICE" = cpu ]; then
    cat >"$out/train.json" <<SETTINGS
{ "base": "$root/configs/shapes.json",
  "data": { "root": "$out/data", "shapes": { "train_images": 64, "val_images": 4 } },
  "train": { "epochs": 3, "batch_size": 8, "log_every": 1 } }
SETTINGS
  else
    cat >"$out/train.json" <<SETTINGS
{ "base": "$root/configs/deqdet_r50_1x_coco.json",
  "classes": null,
  "backbone": { "frozen_stages": -1, "norm": "batch" },
  "data": {
    "root": "$out/data",
    "train": { "images": "train", "annotations": "annotations/instances_train.json" },
    "val": { "images": "val", "annotations": "annotations/instances_val.json" },
    "shapes": { "train_images": 400, "val_images": 4 },
    "filter": { "min_side": 1 } },
  "train": { "epochs": 1, "batch_size": 2, "log_every": 1 } }
SETTINGS
  fi
}

# Memory that the GPU has in use, MB, once a second into a file, until the file NAME.stop is there.
watch_memory() {
  while [ ! -e "$1.stop" ]; do
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits >>"$1" 2>/dev/null
    sleep 1
  done
}

say "## $steps training steps"
say
write_settings
if [ "$DEVICE" = cpu ]; then
  say 'The shapes, 8 images a step.'
else
  say 'DEQDet with ResNet-50, 100 queries, all of it trained, 2 images of 800x1333 a step. The first 20 steps do not count.'
fi
say
say '| numbers | step, ms (median) | share of it waiting for data | memory, MB | loss of the first step | of the last |'
say '|---|---|---|---|---|---|'
for precision in $precisions; do
  for mode in exact $tf32; do
    # bf16 and fp16 products are not float32's
    [ "$mode" != exact ] && [ "$precision" != fp32 ] && continue
    run=train-$precision-${mode#--}
    label=$precision
    [ "$mode" = exact ] || label='fp32 in TF32'
    argument=()
    [ "$mode" = exact ] || argument=("$mode")
    rm -rf "$out/$run" "$out/$run.memory" "$out/$run.memory.stop"
    [ "$DEVICE" = cpu ] || watch_memory "$out/$run.memory" &
    kept "$run" deqdet train "$out/train.json" --set "train.precision=$precision" --max-steps "$steps" --device "$DEVICE" \
      --work-dir "$out/$run" "${argument[@]}"
    code=$?
    touch "$out/$run.memory.stop"
    wait
    [ "$code" -eq 0 ] || { say "| $label | failed: $(grep -E '^error' "$out/$run.txt" | tail -n 1) | | | | |"; continue; }
    if [ -s "$out/$run.memory" ]; then
      memory=$(sort -n "$out/$run.memory" | tail -n 1)
    else
      memory=$(sed -nE 's/.*"memory":([0-9.]+).*/\1/p' "$out/$run/metrics.jsonl" | sort -n | tail -n 1)
    fi
    grep '"loss"' "$out/$run/metrics.jsonl" >"$out/$run.steps"
    sed -nE 's/.*"time":([0-9.eE+-]+).*"data_time":([0-9.eE+-]+).*/\1 \2/p' "$out/$run.steps" | tail -n +$((steps / 10 + 1)) | sort -g |
      awk -v name="$label" -v memory="$memory" \
        -v first="$(sed -nE '1s/.*"loss":([0-9.eE+-]+).*/\1/p' "$out/$run.steps")" \
        -v last="$(sed -nE '$s/.*"loss":([0-9.eE+-]+).*/\1/p' "$out/$run.steps")" '
        { time[NR] = $1; sum += $1; data += $2 }
        END {
          median = NR % 2 ? time[(NR + 1) / 2] : (time[NR / 2] + time[NR / 2 + 1]) / 2
          printf "| %s | %.1f | %.1f %% | %.0f | %.3f | %.3f |\n", name, 1000 * median, 100 * data / sum, memory, first, last
        }' >>"$page"
  done
done
say

# The difference of two runs of different length is what their further steps take, without start and end.
count_of() { # FILE PATTERN -> calls
  awk -F, -v pattern="$2" '$0 ~ pattern { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+$/) { sum += $i; break } } END { print sum + 0 }' "$1" 2>/dev/null
}
say '## Kernels and synchronisations of a training step'
say
if [ "$DEVICE" != cpu ] && command -v nsys >/dev/null; then
  for precision in fp32 bf16; do
    for length in 12 22; do
      rm -rf "$out/profile-$length"
      kept "nsys-$precision-$length" nsys profile --force-overwrite true --trace cuda --output "$out/nsys-$precision-$length" \
        "${DEQDET:-$root/src/DeqDet.Host/bin/Debug/net10.0/DeqDet.Host}" train "$out/train.json" --set "train.precision=$precision" \
        --max-steps "$length" --device "$DEVICE" --work-dir "$out/profile-$length"
      # columns: time, total, calls, ...; of both tables the first whole number that follows the times
      for table in cuda_gpu_kern_sum cuda_api_sum; do
        nsys stats --quiet --force-export true --format csv --report "$table" "$out/nsys-$precision-$length.nsys-rep" 2>/dev/null |
          cut -d, -f3- >"$out/nsys-$precision-$length-$table.csv"
      done
    done
    kernels=$(($(count_of "$out/nsys-$precision-22-cuda_gpu_kern_sum.csv" .) - $(count_of "$out/nsys-$precision-12-cuda_gpu_kern_sum.csv" .)))
    waits=$(($(count_of "$out/nsys-$precision-22-cuda_api_sum.csv" 'Synchronize') - $(count_of "$out/nsys-$precision-12-cuda_api_sum.csv" 'Synchronize')))
    say "* $precision: $((kernels / 10)) kernels and $((waits / 10)) synchronisations a step"
  done
else
  say 'Not counted: that takes a GPU and `nsys` (Nsight Systems).'
fi
say
say "$failures of the commands failed."
printf '%s\n' "$page"
[ "$failures" -eq 0 ]
