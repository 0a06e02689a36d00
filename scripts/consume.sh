#!/usr/bin/env bash
# What somebody does who has nothing but the packages: installs the tool, trains and detects with it, compiles and runs all code of docs/library.md,
# and evaluates results with DeqDet.Coco alone.
#
#   dotnet build
#   scripts/consume.sh FOLDER
#
# packs what is built into FOLDER/packages, looks into the packages, and does all that in FOLDER, which is made. The packages' only other source is NuGet's
# package folder, which the build has filled; the tool is packed without libtorch and loads the one from there.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ $# -eq 1 ] || { printf 'usage: scripts/consume.sh FOLDER\n' >&2; exit 2; }
[ ! -e "$1" ] || { printf '%s is there already; name a new folder\n' "$1" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
machine=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: //')
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' "$repository/build/Packing.props")
# It would go before the folder of NuGet.config below, and keep these packages there for all that come after them.
unset NUGET_PACKAGES

# Natives by the build's own versions, as a user would name them.
libtorch=$(sed -n 's:.*<LibTorchVersion>\(.*\)</LibTorchVersion>.*:\1:p' "$repository/build/Natives.targets")
DEQDET_LIBTORCH=$(echo "${machine%/}/libtorch-cpu-"*"/$libtorch/runtimes/"*"/native")

cd "$repository"
dotnet pack --no-build DeqDet.sln -p:LibTorch=none "-p:PackageOutputPath=$folder/packages" -v quiet -nologo >"$folder/pack.log" || { cat "$folder/pack.log"; exit 1; }
DEQDET_PACKAGES=$folder/packages dotnet run --no-build --project tests/DeqDet.Host.Tests -- --colours 0 --no-spinner --filter-test-list Packages
dotnet fsi scripts/guide.fsx docs/library.md "$folder"

# Packages of this version that lie in NuGet's folder may be of another build: all but ours.
mkdir "$folder/others"
find "${machine%/}" -mindepth 1 -maxdepth 1 -type d ! -iname 'deqdet*' -exec ln -s -t "$folder/others" -- {} +
cat >"$folder/NuGet.config" <<XML
<configuration>
  <config><add key="globalPackagesFolder" value="$folder/package-folder" /></config>
  <fallbackPackageFolders><clear /><add key="others" value="$folder/others" /></fallbackPackageFolders>
  <packageSources><clear /><add key="packed" value="$folder/packages" /></packageSources>
</configuration>
XML
cd "$folder"

printf '\n-- the tool\n'
dotnet tool install deqdet --version "$version" --tool-path tools --configfile NuGet.config
deqdet() { DEQDET_LIBTORCH=$DEQDET_LIBTORCH tools/deqdet "$@"; }
deqdet --help | head -n 3
deqdet detect --threads 1 --out first
[ -s first/results.json ]
deqdet train --max-steps 2 --threads 1 --data data --set data.shapes.train_images=32 --set data.shapes.val_images=8 --work-dir work
deqdet test work --data data --out results.json --threads 1
deqdet detect work data/val --threshold 0.01 --threads 1 --out found
[ -s found/results.json ]

printf '\n-- the code of docs/library.md\n'
cp work/best.safetensors best.safetensors
cp -r data/val photos
cp data/annotations/*val*.json instances_val.json
cp "$repository/tests/field/11-odd-images/plain-420.jpg" street.jpg
for language in csharp fsharp; do
  dotnet build "$language" -warnaserror -nologo -v quiet
  "$language"/bin/Debug/net10.0/*/Guide
done

printf '\n-- DeqDet.Coco alone\n'
mkdir evaluate
cp "$repository/samples/EvaluateResults/Program.cs" evaluate/
cat >evaluate/Evaluate.csproj <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="DeqDet.Coco" Version="$version" />
  </ItemGroup>
</Project>
XML
dotnet build evaluate -warnaserror -nologo -v quiet
evaluate/bin/Debug/net10.0/Evaluate instances_val.json results.json | head -n 12
printf 'its packages: '
sed -n 's:^    "\([A-Za-z.]*/[0-9.]*\)".*:\1:p' evaluate/bin/Debug/net10.0/Evaluate.deps.json | sort -u | tr '\n' ' '
if grep -qiE 'torch|skia|vips' evaluate/obj/project.assets.json; then
  printf '\nDeqDet.Coco brings native libraries along\n'
  exit 1
fi
printf '\n'
