/// TorchSharp hands a Scalar's native copy on without holding the Scalar. Where it makes one itself, nobody else can hold it, and a garbage
/// collection at the wrong moment takes the number away from under the operation. None of our code asks for such an operation.
module DeqDet.Tests.HeldScalarsTests

open System
open System.IO
open System.Reflection.Metadata
open System.Reflection.PortableExecutable
open Expecto

/// Names of types, without their namespaces.
let private names =
    { new ISignatureTypeProvider<string, obj> with
        member _.GetArrayType(element, _) = element + "[]"
        member _.GetByReferenceType element = element + "&"
        member _.GetFunctionPointerType _ = "function"

        member _.GetGenericInstantiation(generic, arguments) =
            $"{generic}<{String.Join(',', arguments)}>"

        member _.GetGenericMethodParameter(_, index) = $"!!{index}"
        member _.GetGenericTypeParameter(_, index) = $"!{index}"
        member _.GetModifiedType(_, unmodified, _) = unmodified
        member _.GetPinnedType element = element
        member _.GetPointerType element = element + "*"
        member _.GetPrimitiveType code = string code
        member _.GetSZArrayType element = element + "[]"

        member _.GetTypeFromDefinition(reader, handle, _) =
            reader.GetString(reader.GetTypeDefinition(handle).Name)

        member _.GetTypeFromReference(reader, handle, _) =
            reader.GetString(reader.GetTypeReference(handle).Name)

        member _.GetTypeFromSpecification(_, _, _, _) = "specification"
    }

/// The methods of TorchSharp that an assembly calls: type, name, types of the parameters.
let private called (assembly: string) : (string * string * string list) list =
    use stream = File.OpenRead assembly
    use file = new PEReader(stream)
    let reader = file.GetMetadataReader()

    let rec isTorchSharp (handle: EntityHandle) =
        handle.Kind = HandleKind.TypeReference
        && (let reference = reader.GetTypeReference(TypeReferenceHandle.op_Explicit handle)

            reader.GetString(reference.Namespace).StartsWith("TorchSharp", StringComparison.Ordinal)
            || isTorchSharp reference.ResolutionScope)

    [
        for handle in reader.MemberReferences do
            let reference = reader.GetMemberReference handle

            if
                isTorchSharp reference.Parent
                && reference.GetKind() = MemberReferenceKind.Method
            then
                let parent =
                    reader.GetTypeReference(TypeReferenceHandle.op_Explicit reference.Parent)

                reader.GetString parent.Name,
                reader.GetString reference.Name,
                List.ofSeq (reference.DecodeMethodSignature(names, null).ParameterTypes)
    ]

let private isNumber (name: string) =
    List.contains name [ "Byte"; "SByte"; "Int16"; "Int32"; "Int64"; "Single"; "Double"; "Boolean" ]

/// Whether TorchSharp makes a Scalar on the way that nobody holds: by converting a number, as the factor of a sum, as the ends of a range, as what is read of a
/// tensor, or in an optimiser, all of whose numbers are such.
let private losesScalar (parent: string, name: string, parameters: string list) : bool =
    match parent, name, parameters with
    | "Scalar", "op_Implicit", _
    | "Tensor", "op_Addition", _
    | "Tensor", ("add" | "add_"), [ _ ]
    | "Tensor", "op_Subtraction", "Scalar" :: _
    | "torch", ("arange" | "linspace" | "logspace"), _ when
        not (parameters |> List.filter ((=) "Scalar") |> List.length |> (=) 3)
        ->
        true
    | "Tensor", _, _ when name.StartsWith("op_", StringComparison.Ordinal) -> List.exists isNumber parameters
    | "TensorExtensionMethods", _, _ when name.StartsWith("To", StringComparison.Ordinal) && name <> "ToTensor" -> true
    | "optim", _, _
    | ("Optimizer" | "OptimizerHelper"), "step", _ -> true
    | _ -> false

[<Tests>]
let tests =
    testList
        "Held scalars"
        [
            test "nobody asks TorchSharp for an operation that makes a Scalar of its own" {
                let found =
                    [
                        for file in Directory.GetFiles(AppContext.BaseDirectory, "DeqDet*.dll") do
                            if not (Path.GetFileName(file).Contains "Tests") then
                                for parent, name, parameters in List.filter losesScalar (called file) do
                                    let list = String.Join(", ", parameters)
                                    $"{Path.GetFileNameWithoutExtension file}: {parent}.{name}({list})"
                    ]

                Expect.equal found [] "use the operators of TensorOps.fs, or Native.fs in the solver"
            }

            test "what is asked for is seen" {
                let calls = called (Path.Combine(AppContext.BaseDirectory, "DeqDet.Model.dll"))

                Expect.contains calls ("Tensor", "add", [ "Tensor"; "Scalar" ]) "the sum that holds its factor"
                Expect.isGreaterThan calls.Length 100 "the model computes with tensors"
            }
        ]
