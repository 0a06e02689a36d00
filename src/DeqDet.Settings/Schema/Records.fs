namespace DeqDet.Settings.Schema

open System
open System.Reflection
open Microsoft.FSharp.Reflection
open DeqDet

/// The names of a union's cases, by their WordAttribute.
module Words =

    let ofType (union: Type) : (string * obj) list =
        [
            for case in FSharpType.GetUnionCases union ->
                let word = case.GetCustomAttributes typeof<WordAttribute> |> Array.exactlyOne
                (word :?> WordAttribute).Text, FSharpValue.MakeUnion(case, [||])
        ]

    let all<'T> : (string * 'T) list =
        ofType typeof<'T> |> List.map (fun (word, case) -> word, unbox<'T> case)

/// Settings records as sections: what their attributes and the types of their fields say.
module Records =

    let private (|Generic|_|) (definition: Type) (t: Type) =
        if t.IsGenericType && t.GetGenericTypeDefinition() = definition then
            Some(t.GetGenericArguments()[0])
        else
            None

    let private (|Option|_|) (t: Type) = (|Generic|_|) typedefof<_ option> t
    let private (|List|_|) (t: Type) = (|Generic|_|) typedefof<_ list> t

    // Methods are looked up once: F#'s own makers of values inspect the type at every call.
    let private makerOf (case: UnionCaseInfo) : obj[] -> obj =
        let maker = FSharpValue.PreComputeUnionConstructorInfo case
        fun values -> maker.Invoke(null, values)

    /// What is in an option.
    let private contentOf (option: Type) : obj -> obj option =
        let content = option.GetProperty "Value"

        function
        | null -> None
        | some -> Some(content.GetValue some)

    let private orNone (option: Type) (codec: Codec) : Codec =
        let some = makerOf (FSharpType.GetUnionCases(option)[1])
        let content = option.GetProperty "Value"
        codec |> Codec.orNull null (fun value -> some [| value |]) content.GetValue

    let private listOf (list: Type) (rule: ItemsAttribute) (item: Codec) : Codec =
        let cases = FSharpType.GetUnionCases list
        let empty, cons = makerOf cases[0], makerOf cases[1]

        let wrap (items: obj list) =
            List.foldBack (fun item rest -> cons [| item; rest |]) items (empty [||])

        let unwrap (value: obj) =
            value :?> System.Collections.IEnumerable |> Seq.cast<obj> |> List.ofSeq

        let isBelow (a: obj, b: obj) = (a :?> IComparable).CompareTo b < 0

        let holds (items: obj list) =
            (rule.Count = 0 || items.Length = rule.Count)
            && not (rule.AtLeastOne && items.IsEmpty)
            && (not rule.Ascending || items |> List.pairwise |> List.forall isBelow)

        Codec.list rule.Words holds wrap unwrap item

    let rec private codec (property: PropertyInfo) (t: Type) : Codec =
        let bounds = Bounds(property.GetCustomAttributes true)

        match t with
        | Option inner -> codec property inner |> orNone t
        | List inner -> codec property inner |> listOf t (property.GetCustomAttribute<ItemsAttribute>())
        | _ when t = typeof<int> ->
            match property.GetCustomAttribute<NullIsAttribute>() with
            | null -> Codec.wholeNumber bounds
            | none -> Codec.wholeNumber bounds |> Codec.orNull none.Value id id
        | _ when t = typeof<float> -> Codec.number bounds
        | _ when t = typeof<bool> -> Codec.boolean
        | _ when t = typeof<string> -> Codec.text
        | _ -> Codec.oneOf (Words.ofType t)

    /// "PointsIn" to "points_in".
    let private keyOf (name: string) =
        let letter (index: int) (c: char) =
            if Char.IsAsciiLetterUpper c && index > 0 then
                $"_{Char.ToLowerInvariant c}"
            else
                string (Char.ToLowerInvariant c)

        name |> Seq.mapi letter |> String.concat ""

    let private sections = ItemsAttribute "a list of sections { ... }"

    /// What a section in a list, or in the place of null, has where it says nothing: the record's own Default.
    let private start (record: Type) =
        record.GetProperty("Default").GetValue null

    /// The section that a record is. `within` takes the place of {0} in explanations; `check` finds what keys get wrong together.
    let rec section (check: obj -> Finding list) (within: string) (record: Type) : Section =
        let properties = FSharpType.GetRecordFields record
        let maker = FSharpValue.PreComputeRecordConstructorInfo record

        let field (property: PropertyInfo) : Field list =
            let setting = property.GetCustomAttribute<SettingAttribute>()

            let key =
                if setting.Key = "" then
                    keyOf property.Name
                else
                    setting.Key

            let doc = setting.Explanation.Replace("{0}", within)
            let get (record: obj) = property.GetValue record

            let rule =
                if property.IsDefined typeof<FreeAtResumeAttribute> then
                    Free
                elif property.IsDefined typeof<NoticedAtResumeAttribute> then
                    Noticed
                else
                    Fixed

            let set (value: obj) (record: obj) =
                let values =
                    properties
                    |> Array.map (fun other -> if other = property then value else other.GetValue record)

                maker.Invoke values

            let inner (t: Type) = section check setting.Within t

            match property.PropertyType with
            | Option part when FSharpType.IsRecord part ->
                Section.codec (inner part) (start part)
                |> orNone property.PropertyType
                |> Field.value key doc rule get set
                |> Field.optional (inner part) (start part) (get >> contentOf property.PropertyType)
                |> List.singleton
            | List part when FSharpType.IsRecord part ->
                Section.codec (inner part) (start part)
                |> listOf property.PropertyType sections
                |> Field.value key doc rule get set
                |> Field.listed (inner part) (start part)
                |> List.singleton
            | part when setting.Flat -> (inner part).Fields |> List.map (Field.lift get set)
            | part when FSharpType.IsRecord part -> [ Field.section key doc get set (inner part) ]
            | plain -> [ Field.value key doc rule get set (codec property plain) ]

        {
            Fields = properties |> List.ofArray |> List.collect field
            Check = check
        }
