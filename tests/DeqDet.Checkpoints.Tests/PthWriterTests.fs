module DeqDet.Tests.PthWriterTests

open System
open System.IO
open System.IO.Compression
open System.Text
open System.Text.Json.Nodes
open Expecto
open FsCheck
open FsCheck.FSharp
open DeqDet.Checkpoints
open DeqDet.Tests.CheckpointFiles

[<Tests>]
let tests =
    let types =
        Enum.GetValues<ElementType>()
        |> Array.except [ ElementType.UInt16; ElementType.UInt32; ElementType.UInt64 ]

    let tensors =
        Gen.listOf (
            gen {
                let! kind = Gen.elements types
                let! shape = Gen.arrayOfLength 3 (Gen.choose (0, 4) |> Gen.map int64)
                let! rank = Gen.choose (0, 3)
                let shape = shape[.. rank - 1]

                let count =
                    Array.fold (fun product size -> product * int size) 1 shape * kind.ByteSize()

                let! bytes =
                    Gen.arrayOfLength
                        count
                        (Gen.choose (0, (if kind = ElementType.Bool then 1 else 255)) |> Gen.map byte)

                return kind, shape, bytes
            }
        )

    testList
        "pth writer"
        [
            testCase "what is written is read again, aligned, and by other zip readers too" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    let roundTrip (given: (ElementType * int64[] * byte[]) list) =
                        let given =
                            (ElementType.Int64, [||], Array.init 8 byte) :: given
                            |> List.mapi (fun i t -> $"w.{i}\u00e9", t)

                        let list =
                            [|
                                for name, (kind, shape, bytes) in given -> TensorToWrite.Of(name, kind, shape, bytes)
                            |]

                        PthWriter.Write(path, list)

                        let again =
                            use file = PthFile.Open path
                            Expect.isFalse (file.Metadata.Count > 0) "no metadata"
                            [ for t in file.Tensors -> t.Name, (t.Type, Seq.toArray t.Shape, t.ToArray()) ]

                        use zip = ZipFile.OpenRead path

                        for i, (_, (_, _, bytes)) in List.indexed given do
                            use stream = zip.GetEntry($"archive/data/{i}").Open()
                            let copy = new MemoryStream()
                            stream.CopyTo copy
                            Expect.equal (copy.ToArray()) bytes "as another reader sees it"

                        let first = File.ReadAllBytes path
                        PthWriter.Write(path, list)
                        again = given && File.ReadAllBytes path = first

                    Check.One(Config.QuickThrowOnFailure.WithMaxTest 50, Prop.forAll (Arb.fromGen tensors) roundTrip)))

            testCase "members start at multiples of 64 bytes" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    PthWriter.Write(
                        path,
                        [|
                            for i in 0..20 ->
                                TensorToWrite.Of(String('n', i), ElementType.UInt8, [| int64 i |], Array.zeroCreate i)
                        |]
                    )

                    let bytes = File.ReadAllBytes path
                    let mutable at = 0
                    let mutable members = 0

                    while BitConverter.ToUInt32(bytes, at) = 0x04034b50u do
                        let start =
                            at
                            + 30
                            + int (BitConverter.ToUInt16(bytes, at + 26))
                            + int (BitConverter.ToUInt16(bytes, at + 28))

                        Expect.equal (start % 64) 0 "start"
                        at <- start + int (BitConverter.ToUInt32(bytes, at + 18))
                        members <- members + 1

                    Expect.equal members 24 "members"))

            testCase "metadata come back as they were" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    let meta =
                        """{"epoch":12,"iter":-90000,"big":9007199254740993,"small":65535,"lr":2.5E-05,"ok":true,"no":false,"none":null,"dataset_meta":{"CLASSES":["cat","\u00e9\ud83d\ude00"],"PALETTE":[[1,2,3],[]]},"empty":{}}"""

                    PthWriter.Write(
                        path,
                        [| TensorToWrite.Of("w", ElementType.UInt8, [| 1L |], [| 7uy |]) |],
                        JsonNode.Parse(meta).AsObject()
                    )

                    use file = PthFile.Open path
                    Expect.isTrue (JsonNode.DeepEquals(file.Metadata["meta"], JsonNode.Parse meta)) "meta"
                    Expect.sequenceEqual file.Classes [ "cat"; "\u00e9\U0001F600" ] "classes"
                    Expect.equal (file["w"].ToArray()) [| 7uy |] "values"))

            testCase "the pickle of one tensor has exactly these bytes" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "a.pth")

                    PthWriter.Write(
                        path,
                        [|
                            TensorToWrite.Of("w", ElementType.Float32, [| 2L; 300L |], Array.zeroCreate 2400)
                        |]
                    )

                    use zip = ZipFile.OpenRead path
                    use stream = zip.GetEntry("archive/data.pkl").Open()
                    let copy = new MemoryStream()
                    stream.CopyTo copy

                    let expected =
                        "\x80\x02ccollections\nOrderedDict\nr\x00\x00\x00\x00)R(X\x01\x00\x00\x00w"
                        + "ctorch._utils\n_rebuild_tensor_v2\nr\x01\x00\x00\x00((X\x07\x00\x00\x00storager\x02\x00\x00\x00"
                        + "ctorch\nFloatStorage\nr\x03\x00\x00\x00X\x01\x00\x00\x000X\x03\x00\x00\x00cpur\x04\x00\x00\x00M\x58\x02tQ"
                        + "K\x00(K\x02M\x2c\x01t(M\x2c\x01K\x01t\x89j\x00\x00\x00\x00)RtRu."

                    Expect.equal (Encoding.Latin1.GetString(copy.ToArray())) expected "pickle"))

            testCase "types and names that cannot be written are refused" (fun () ->
                let one name kind =
                    TensorToWrite.Of(name, kind, [| 1L |], Array.zeroCreate 8)

                for list in
                    [
                        [| one "a" ElementType.UInt64 |]
                        [| one "a" ElementType.Int64; one "a" ElementType.Int64 |]
                    ] do
                    Expect.throwsT<ArgumentException> (fun () -> PthWriter.Write("unused", list)) "refused")
        ]
