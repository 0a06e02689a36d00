module DeqDet.Tests.PthHostileTests

open System
open System.IO
open System.IO.Compression
open System.Text
open Expecto
open DeqDet.Tests.CheckpointFiles
open DeqDet.Tests.PthBytes

/// The refusal of an archive with this pickle and one storage '0' of eight floats; None if it is accepted.
let private refused (value: byte[]) : string =
    let mutable problem = ""

    inFolder (fun folder ->
        let path = Path.Combine(folder, "bad.pth")
        plainArchive path [ "x/data.pkl", pickle value; "x/data/0", Array.zeroCreate 32 ]
        problem <- refusal path (fun () -> readAll path))

    problem

/// A value that is wrong in one way, and what the message must say.
let private wrongValues =
    let state value = dict' [ "a", value ]

    [
        "an instruction of protocol 0", code "I1\n", "instruction 0x49"
        "an extension code", [| 0x82uy; 1uy |], "instruction 0x82"
        "a protocol of the future", [| 0x80uy; 9uy |], "protocol 9"
        "nothing on the stack", code "", "empty stack"
        "a tuple of too little", code "N\x87", "empty stack"
        "no mark", code "Nt", "mark that is not there"
        "taking below a mark", code "N(\x85", "empty stack"
        "a memo entry never stored", code "h\x05", "never stored"
        "a list as key holder", code "](NNu", "no dictionary"
        "appending to a text", Array.append (text "a") (code "Na"), "no list"
        "a key without a value", code "}(Nu", "without a value"
        "a text beyond the end", code "X\xff\xff\xff\xff", "ends too early"
        "a text of 2^63 bytes", code "\x8d\x00\x00\x00\x00\x00\x00\x00\x80", "ends too early"
        "a name without an end", code ("c" + String('a', 600) + "\nb\n"), "without an end"
        "an integer of 2 GB", code "\x8b\xff\xff\xff\x7f", "integer of"
        "an integer of negative length", code "\x8b\xff\xff\xff\xff", "integer of"
        "a value that is no dictionary", integer 3L, "not a state dict"
        "a whole model", call "models\nNet" [], "an object of models.Net"
        "no tensor at all", dict' [ "epoch", integer 3L ], "has no tensors"
        "a key that is a number", Array.concat [ code "}("; integer 1L; good; code "u" ], "no text"
        "a name twice", dict' [ "a", good; "a", good ], "'a' twice"
        "a call in the state dict", state (call "__builtin__\neval" [ text "1" ]), "made by __builtin__.eval"
        "a tensor of wrong arguments",
        state (call "torch._utils\n_rebuild_tensor_v2" [ integer 1L ]),
        "_rebuild_tensor_v2"
        "complex numbers", state (tensor (storage "ComplexFloatStorage" "0" 4L) 0L [ 4L ] [ 1L ]), "_rebuild_tensor_v2"
        "untyped numbers", state (tensor (storage "UntypedStorage" "0" 32L) 0L [ 4L ] [ 1L ]), "does not say"
        "a storage that is missing",
        state (tensor (storage "FloatStorage" "7" 8L) 0L [ 8L ] [ 1L ]),
        "'7', which is missing"
        "a storage that is shorter", state (tensor (storage "FloatStorage" "0" 9L) 0L [ 8L ] [ 1L ]), "it has 32 bytes"
        "a storage that is longer", state (tensor (storage "FloatStorage" "0" 7L) 0L [ 7L ] [ 1L ]), "it has 32 bytes"
        "a storage of 2^63 bytes",
        state (tensor (storage "FloatStorage" "0" 0x2000000000000008L) 0L [ 8L ] [ 1L ]),
        "it has 32 bytes"
        "a storage with two types",
        dict' [ "a", good; "b", tensor (storage "IntStorage" "0" 8L) 0L [ 8L ] [ 1L ] ],
        "in two ways"
        "an offset beyond the end", state (tensor floats 1L [ 8L ] [ 1L ]), "reaches beyond"
        "a negative offset", state (tensor floats -1L [ 2L ] [ 1L ]), "reaches beyond"
        "a stride beyond the end", state (tensor floats 0L [ 2L; 4L ] [ 5L; 1L ]), "reaches beyond"
        "a negative stride", state (tensor floats 7L [ 8L ] [ -1L ]), "reaches beyond"
        "strides that overflow",
        state (tensor floats 0L [ 3L; 3L ] [ Int64.MaxValue; Int64.MaxValue ]),
        "reaches beyond"
        "an offset that overflows", state (tensor floats Int64.MaxValue [ 2L ] [ 1L ]), "reaches beyond"
        "fewer strides than sizes", state (tensor floats 0L [ 2L; 4L ] [ 4L ]), "reaches beyond"
        "a negative size", state (tensor floats 0L [ -2L ] [ 1L ]), "impossible shape"
        "sizes that overflow", state (tensor floats 0L [ 1L <<< 32; 1L <<< 32 ] [ 0L; 0L ]), "impossible shape"
        "one number repeated 2^40 times", state (tensor floats 0L [ 1L <<< 40 ] [ 0L ]), "repeat the same numbers"
        "one number repeated 2^60 times",
        dict' [ "a", good; "b", tensor floats 0L [ 1L <<< 60 ] [ 0L ] ],
        "repeat the same"
        "one storage repeated by a thousand names",
        dict' [ for i in 1..1000 -> $"{i}", tensor floats 0L [ 65536L ] [ 0L ] ],
        "repeat the same numbers"
        "metadata that contain themselves",
        Array.concat
            [
                code "}("
                text "state_dict"
                dict' [ "a", good ]
                text "meta"
                code "]q\x00h\x00a"
                code "u"
            ],
        "contain themselves"
        "metadata nested deeply",
        dict'
            [
                "state_dict", dict' [ "a", good ]
                "meta", Array.append (code ")") (repeat 1_000_000 "\x85")
            ],
        "than any checkpoint"
        "metadata nested somewhat deeply",
        dict'
            [
                "state_dict", dict' [ "a", good ]
                "meta", Array.append (code ")") (repeat 1_000 "\x85")
            ],
        "contain themselves"
        "metadata that double 40 times",
        dict'
            [
                "state_dict", dict' [ "a", good ]
                "meta", Array.append (code "]") (repeat 30 "q\x00h\x00\x86")
            ],
        "than any checkpoint"
        "a million dictionaries", Array.append (repeat 1_000_000 "}0") (dict' [ "a", good ]), "than any checkpoint"
        "a million marks", repeat 1_000_000 "(", "on its stack"
        "a million values", repeat 1_000_000 "N", "on its stack"
        "a million memo entries",
        Array.append
            (code "N")
            (Array.concat [ for i in 0..999_999 -> Array.append (code "r") (BitConverter.GetBytes i) ]),
        "than any checkpoint"
        "a list that grows and grows", Array.append (code "]q\x00") (repeat 3_000_000 "h\x00a"), "than any checkpoint"
    ]

let private archives =
    let state = pickle (dict' [ "a", good ])
    let numbers = "x/data/0", Array.zeroCreate 32

    let check name expected (write: string -> unit) =
        testCase name (fun () ->
            inFolder (fun folder ->
                let path = Path.Combine(folder, "a.pth")
                write path
                Expect.stringContains (refusal path (fun () -> readAll path)) expected "message"))

    /// An archive with one byte of a header changed, counted from the last appearance of a signature.
    let patched (signature: string) offset (value: byte) path =
        plainArchive path [ "x/data.pkl", state; numbers ]
        let bytes = File.ReadAllBytes path

        let at =
            (Encoding.Latin1.GetString bytes).LastIndexOf(signature, StringComparison.Ordinal)

        bytes[at + offset] <- value
        File.WriteAllBytes(path, bytes)

    testList
        "archive"
        [
            check "compressed" "is compressed" (fun path ->
                archive path CompressionLevel.Optimal [ "x/data.pkl", state; numbers ])
            check "without data.pkl" "has 0 data.pkl" (fun path -> plainArchive path [ numbers ])
            check "with two data.pkl" "has 2 data.pkl" (fun path ->
                plainArchive path [ "x/data.pkl", state; "y/data.pkl", state ])
            check "with two members of one name" "two members" (fun path ->
                plainArchive path [ "x/data.pkl", state; numbers; numbers ])
            check "a TorchScript program" "TorchScript" (fun path ->
                plainArchive path [ "x/data.pkl", state; "x/constants.pkl", state; numbers ])
            check "big-endian" "big-endian" (fun path ->
                plainArchive path [ "x/data.pkl", state; "x/byteorder", code "big"; numbers ])
            check "encrypted" "encrypted" (patched "PK\001\002" 8 1uy)
            check "a member beyond the end" "broken" (patched "PK\001\002" 45 0x7fuy)
            check "a member elsewhere" "does not lie where" (patched "PK\001\002" 42 1uy)
            check "numbers that do not fit their check sum" "check sum of 'x/data/0'" (patched "PK\001\002" 16 1uy)
            check "a directory beyond the end" "inside the file" (patched "PK\005\006" 15 0x7fuy)
            check "more members than the directory has" "ends too early" (patched "PK\005\006" 10 9uy)
            check "several disks" "inside the file" (patched "PK\005\006" 4 1uy)
            check "text" "is no PyTorch checkpoint" (fun path -> File.WriteAllText(path, "weights"))
            check "PyTorch's oldest format" "is no PyTorch checkpoint" (fun path ->
                File.WriteAllText(path, "sys_info\000\000"))
        ]

[<Tests>]
let tests =
    testList
        "pth refusals"
        [
            testList
                "pickle"
                [
                    for name, value, expected in wrongValues ->
                        testCase name (fun () ->
                            let before = GC.GetAllocatedBytesForCurrentThread()
                            Expect.stringContains (refused value) expected "message"
                            let spent = GC.GetAllocatedBytesForCurrentThread() - before
                            // The archive is made in memory too.
                            Expect.isLessThan spent (int64 value.Length * 4L + (64L <<< 20)) "memory")
                ]
            archives
        ]
