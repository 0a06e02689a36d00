namespace DeqDet.CommandLine

open DeqDet.Settings
open System
open Argu
open Microsoft.FSharp.Reflection

/// What follows an option.
type Arity =
    | Switch
    | OptionalValue
    | OneValue

/// An argument as help and checks need it; the argument unions are the only definition.
type ArgumentSpecification =
    {
        /// As typed, `--work-dir`; None for what has no name.
        Name: string option
        Arity: Arity
        Mandatory: bool
        Explain: ExplainAttribute
    }

type CommandSpecification =
    {
        Name: string
        Explain: ExplainAttribute
        Arguments: ArgumentSpecification list
    }

module Specification =

    /// Argu's own rule for names.
    let private nameOf (case: UnionCaseInfo) =
        case.Name.ToLowerInvariant().Replace('_', '-')

    let private argument (case: UnionCaseInfo) : ArgumentSpecification =
        let has (attribute: Type) =
            case.GetCustomAttributes attribute |> Array.isEmpty |> not

        {
            Name =
                if has typeof<MainCommandAttribute> then
                    None
                else
                    Some("--" + nameOf case)
            Mandatory = has typeof<MandatoryAttribute>
            Arity =
                match case.GetFields() with
                | [||] -> Switch
                | fields when
                    fields[0].PropertyType.IsGenericType
                    && fields[0].PropertyType.GetGenericTypeDefinition() = typedefof<_ option>
                    ->
                    OptionalValue
                | _ -> OneValue
            Explain = ExplainAttribute.OfCase case
        }

    let private command (case: UnionCaseInfo) : CommandSpecification =
        let arguments =
            match case.GetFields() with
            | [| field |] ->
                let union = field.PropertyType.GetGenericArguments()[0]
                FSharpType.GetUnionCases union |> Array.map argument |> List.ofArray
            | _ -> []

        {
            Name = nameOf case
            Explain = ExplainAttribute.OfCase case
            Arguments = arguments
        }

    /// All commands, in the order in which help lists them.
    let commands: Lazy<CommandSpecification list> =
        lazy (FSharpType.GetUnionCases typeof<Command> |> Array.map command |> List.ofArray)
