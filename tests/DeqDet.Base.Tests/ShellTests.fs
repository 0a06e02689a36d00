module DeqDet.Tests.ShellTests

open System
open System.Diagnostics
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet

/// What a POSIX shell hands to a program that is called with the quoted texts.
let private throughShell (quoted: string list) : string list =
    let start =
        ProcessStartInfo("/bin/sh", [ "-c"; "printf '%s\\0' " + String.concat " " quoted ])

    start.RedirectStandardOutput <- true
    start.StandardOutputEncoding <- Text.Encoding.UTF8
    use shell = Process.Start start
    let output = shell.StandardOutput.ReadToEnd()
    shell.WaitForExit()
    output.Split '\000' |> List.ofArray |> List.take quoted.Length

/// PowerShell's reading of one quoted argument: single-quoted text with doubled quotes, double-quoted text, or a bare word.
let private throughPowerShell (quoted: string) : string =
    let isSingle c =
        c = '\'' || (c >= '\u2018' && c <= '\u201B')

    if isSingle quoted[0] then
        let rec read (i: int) (taken: char list) =
            if isSingle quoted[i] then
                if i = quoted.Length - 1 then
                    String(taken |> List.rev |> Array.ofList)
                elif isSingle quoted[i + 1] then
                    read (i + 2) (quoted[i] :: taken)
                else
                    failtestf "the quote at %d ends %s early" i quoted
            else
                read (i + 1) (quoted[i] :: taken)

        read 1 []
    elif quoted[0] = '"' then
        let inside = quoted[1 .. quoted.Length - 2]

        Expect.isFalse
            (inside |> Seq.exists (fun c -> "$`\"\u201C\u201D\u201E".Contains c))
            $"nothing is expanded in {quoted}"

        inside
    else
        Expect.isTrue
            (quoted
             |> Seq.forall (fun c -> Char.IsAsciiLetterOrDigit c || "_./:-+".Contains c))
            quoted

        quoted

let private texts =
    [
        "data/coco"
        ""
        "a b"
        "100%25 done#1.png"
        "Bilder für Test"
        "中文 图片.png"
        "emoji 😀.png"
        "it's"
        "d’été"
        "it's $HOME"
        "it’s `this`"
        "\"quoted\" <b>&amp;"
        "a;rm -rf *"
        "~/x"
        "@splat"
        "a,b"
        "!history"
        "C:\\My Pictures\\x.png"
        "tab\there"
        "{a,b}"
        "$(reboot)"
        "back\\slash'quote"
    ]

/// Texts of the characters that shells care about, mixed with some that they do not.
let private nasty =
    Gen.elements (List.ofSeq "ab ü'\"’“$`\\!%#&;|<>*?~@,=(){}[]^\t中")
    |> Gen.listOf
    |> Gen.map (fun characters -> String(Array.ofList characters))

[<Tests>]
let tests =
    testList
        "quoting for shells"
        [
            test "plain words stay as they are" {
                for word in [ "data/coco-slice"; "work/shapes-2/best.safetensors"; "x.png"; "--data" ] do
                    Expect.equal (Shell.quoteFor false word) word word
                    Expect.equal (Shell.quoteFor true word) word word
            }

            test "names with spaces, quotes and signs come through a shell unchanged" {
                Expect.equal (throughShell (texts |> List.map (Shell.quoteFor false))) texts "POSIX"

                for text in texts do
                    Expect.equal (throughPowerShell (Shell.quoteFor true text)) text $"PowerShell: {text}"
            }

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 40
                }
                "whatever the text"
            <| Prop.forAll (Arb.fromGen (Gen.nonEmptyListOf nasty)) (fun texts ->
                Expect.equal (throughShell (texts |> List.map (Shell.quoteFor false))) texts "POSIX"

                for text in texts do
                    Expect.equal (throughPowerShell (Shell.quoteFor true text)) text "PowerShell")

            test "what both shells read alike is the same for both" {
                for text in [ "a b"; "it's"; "100%"; "中文 图片.png"; "C:\\My Pictures" ] do
                    Expect.equal (Shell.quoteFor true text) (Shell.quoteFor false text) text
            }
        ]
