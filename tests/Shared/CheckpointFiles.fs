/// What the checkpoint tests share: temporary folders, refusals, and damage done to files.
module DeqDet.Tests.CheckpointFiles

open System
open System.IO
open Expecto
open TorchSharp
open DeqDet.Checkpoints

/// Runs a test in a new folder that is removed afterwards.
let inFolder (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("deqdet-checkpoint-").FullName

    try
        test folder
    finally
        Directory.Delete(folder, recursive = true)

/// The problem with which a CheckpointError refuses; fails the test if nothing or something else is raised.
let refusal (path: string) (action: unit -> unit) : string =
    let outcome =
        try
            action ()
            None
        with :? CheckpointError as e ->
            Some e

    match outcome with
    | None -> failtestf "%s was accepted" path
    | Some e ->
        Expect.stringStarts e.Message path "the message names the file"
        e.Problem

/// A little-endian 64-bit number in front of a text and some bytes: a safetensors file in the making.
let safetensorsBytes (header: string) (data: byte[]) : byte[] =
    let json = Text.Encoding.UTF8.GetBytes header
    Array.concat [ BitConverter.GetBytes(uint64 json.Length); json; data ]

/// One to four random mistakes: a bit flipped, a byte overwritten, bytes cut out, two bytes swapped, the end cut off.
let damage (random: Random) (bytes: byte[]) : byte[] =
    let mutable result = Array.copy bytes

    for _ in 0 .. random.Next 4 do
        if result.Length > 0 then
            let at = random.Next result.Length

            match random.Next 5 with
            | 0 -> result[at] <- result[at] ^^^ (1uy <<< random.Next 8)
            | 1 -> result[at] <- byte (random.Next 256)
            | 2 -> result <- Array.append result[.. at - 1] result[min result.Length (at + 1 + random.Next 8) ..]
            | 3 ->
                let other = random.Next result.Length
                let kept = result[at]
                result[at] <- result[other]
                result[other] <- kept
            | _ -> result <- result[.. at - 1]

    result

/// Reads everything a reader offers from damaged copies of a file: how many were still accepted. Anything raised that is
/// not a CheckpointError comes through and fails the test.
let acceptedAfterDamage (seed: int) (count: int) (original: byte[]) (readAll: string -> unit) (folder: string) : int =
    let random = Random seed
    let path = Path.Combine(folder, "damaged")
    let mutable accepted = 0

    for _ in 1..count do
        File.WriteAllBytes(path, damage random original)

        try
            readAll path
            accepted <- accepted + 1
        with :? CheckpointError ->
            ()

    accepted

/// How many of the 10,000 damaged copies to try: a part by default, all with the environment variable DEQDET_FUZZ=full.
let damagedCopies =
    if Environment.GetEnvironmentVariable "DEQDET_FUZZ" = "full" then
        10_000
    else
        1_000

/// Tensors alive that this thread made, whatever other tests do at the same time.
let liveTensors () : int64 =
    DisposeScopeManager.Statistics.ThreadTotalLiveCount
