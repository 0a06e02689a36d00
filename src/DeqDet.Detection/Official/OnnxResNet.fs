namespace DeqDet.Detection

open System.Collections.Generic
open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Model
open DeqDet.Model.Backbones

/// Finds a ResNet in an ONNX graph whose initialisers have no telling names, such as CNTK writes: what a tensor is follows from the operations
/// around it.
module OnnxResNet =

    /// A convolution and its normalisation.
    type private Unit =
        {
            Convolution: OnnxNode
            Norm: OnnxNode
        }

        /// What the convolution is applied to.
        member unit.Input = unit.Convolution.Inputs[0]

    type private Block =
        {
            Units: Unit list
            Shortcut: Unit option
            /// What it is applied to, and what its result is called before the last ReLU.
            Input: string
            Output: string
        }

    let private refused (file: OnnxFile) (problem: string) : 'a =
        raise (CheckpointError(file.Path, $"holds a graph that is no ResNet of torchvision's form: {problem}"))

    // the longest branch that a block has, and one more
    let private longest = 4

    /// Who makes what.
    let private producers (file: OnnxFile) =
        let producers = Dictionary<string, OnnxNode>()

        for node in file.Nodes do
            for output in node.Outputs do
                producers.TryAdd(output, node) |> ignore

        fun (name: string) ->
            match producers.TryGetValue name with
            | true, node -> Some node
            | _ -> None

    /// The unit whose result has this name.
    let private unitOf producer name : Unit option =
        match producer name with
        | Some(norm: OnnxNode) when norm.Operator = "BatchNormalization" && norm.Inputs.Count = 5 ->
            match producer norm.Inputs[0] with
            | Some(convolution: OnnxNode) when convolution.Operator = "Conv" && convolution.Inputs.Count = 2 ->
                Some
                    {
                        Convolution = convolution
                        Norm = norm
                    }
            | _ -> None
        | _ -> None

    /// What an operation of one input was applied to, where it is the one whose result has this name.
    let private under operator producer name : string option =
        match producer name with
        | Some(node: OnnxNode) when node.Operator = operator && node.Inputs.Count >= 1 -> Some node.Inputs[0]
        | _ -> None

    /// The units with ReLU between them that end at this name, the first one first.
    let private branch producer name : Unit list =
        let rec back length name units =
            match unitOf producer name with
            | Some unit when length < longest ->
                match under "Relu" producer unit.Input with
                | Some before -> back (length + 1) before (unit :: units)
                | None -> unit :: units
            | _ -> units

        back 0 name []

    /// The block that ends with this sum.
    let private blockOf producer (sum: OnnxNode) : Block option =
        if sum.Operator <> "Add" || sum.Inputs.Count <> 2 || sum.Outputs.Count <> 1 then
            None
        else
            let a, b = sum.Inputs[0], sum.Inputs[1]
            let units, other = branch producer a, branch producer b

            let units, other, identity =
                if units.Length >= other.Length then
                    units, other, b
                else
                    other, units, a

            let block shortcut =
                Some
                    {
                        Units = units
                        Shortcut = shortcut
                        Input = units.Head.Input
                        Output = sum.Outputs[0]
                    }

            match units, other with
            | (first :: _ :: _), [] when first.Input = identity -> block None
            | (first :: _ :: _), [ shortcut ] when first.Input = shortcut.Input -> block (Some shortcut)
            | _ -> None

    /// Blocks by stage: each but the first one begins where a shortcut has a convolution.
    let private stages (blocks: Block list) : Block list list =
        ([], blocks)
        ||> List.fold (fun stages block ->
            match stages with
            | stage :: before when block.Shortcut.IsNone -> (block :: stage) :: before
            | _ -> [ block ] :: stages)
        |> List.map List.rev
        |> List.rev

    /// Tensors of a unit under torchvision's names.
    let private tensorsOf (file: OnnxFile) (convolution: string) (norm: string) (unit: Unit) : StoredTensor list =
        let find (name: string) (own: string) =
            match file.Initialiser name with
            | null -> refused file $"'{name}', which would be {own}, is no constant"
            | tensor -> tensor.Renamed own

        let inputs = unit.Norm.Inputs

        [
            find unit.Convolution.Inputs[1] $"{convolution}.weight"
            find inputs[1] $"{norm}.weight"
            find inputs[2] $"{norm}.bias"
            find inputs[3] $"{norm}.running_mean"
            find inputs[4] $"{norm}.running_var"
        ]

    /// Raises CheckpointError where a unit computes something else than torchvision's.
    let private check (file: OnnxFile) (stride: int64) (name: string) (unit: Unit) : unit =
        let integers key (usual: int64 list) =
            match unit.Convolution.Integers.TryGetValue key with
            | true, found -> List.ofSeq found
            | _ -> usual

        let strides = integers "strides" [ 1L; 1L ]

        if strides <> [ stride; stride ] then
            let found = strides |> List.map string |> String.concat " x "
            refused file $"{name} has the stride {found}, torchvision's has {stride} x {stride}"

        if
            integers "group" [ 1L ] <> [ 1L ]
            || integers "dilations" [ 1L; 1L ] <> [ 1L; 1L ]
        then
            refused file $"{name} is grouped or dilated"

        match unit.Norm.Reals.TryGetValue "epsilon" with
        | true, epsilon when abs (float epsilon - 1e-5) > 1e-9 ->
            refused file $"the normalisation after {name} adds {epsilon} to its variance, torchvision's 1e-5"
        | _ -> ()

    /// The kind that has these blocks in its first three stages, and in the last one as many or fewer.
    let private formOf (file: OnnxFile) (depths: int list) (bottleneck: bool) : ResNetForm =
        let fits (form: ResNetForm) =
            form.Bottleneck = bottleneck
            && form.Blocks.Length = depths.Length
            && List.take 3 form.Blocks = List.take 3 depths
            && form.Blocks[3] <= depths[3]

        [ ResNet18; ResNet34; ResNet50; ResNet101 ]
        |> List.tryPick (fun kind ->
            match BackboneForm.ofKind kind with
            | Residual form when fits form -> Some form
            | _ -> None)
        |> Option.defaultWith (fun () ->
            let found = depths |> List.map string |> String.concat ", "
            refused file $"its stages have {found} blocks, as none of resnet18, resnet34, resnet50 and resnet101 has")

    /// The tensors of a ResNet under torchvision's names, without what comes after it, and what a person should know. Raises CheckpointError
    /// where the graph is none.
    let read (file: OnnxFile) : StoredTensor list * string list =
        let producer = producers file

        let blocks = file.Nodes |> Seq.choose (blockOf producer) |> List.ofSeq

        let follows (block: Block) (before: Block) =
            under "Relu" producer block.Input = Some before.Output

        let stem =
            match blocks with
            | first :: _ ->
                under "MaxPool" producer first.Input
                |> Option.bind (under "Relu" producer)
                |> Option.bind (unitOf producer)
            | [] -> None

        match stem with
        | None ->
            refused file "it has no pairs of convolution and batch normalisation that form a stem and residual blocks"
        | Some stem ->
            for before, block in List.pairwise blocks do
                if not (follows block before) then
                    refused file "its residual blocks do not follow one another"

            let stages = stages blocks
            let units = blocks.Head.Units.Length
            let bottleneck = units > 2

            if units > 3 || blocks |> List.exists (fun block -> block.Units.Length <> units) then
                refused file "its blocks have other numbers of convolutions than 2 or 3 each"

            let depths = stages |> List.map _.Length

            if depths.Length <> 4 then
                refused file $"it has {depths.Length} stages instead of 4"

            let form = formOf file depths bottleneck
            let surplus = depths[3] - form.Blocks[3]

            let unit stride convolution norm unit =
                check file stride convolution unit
                tensorsOf file convolution norm unit

            let ofBlock stage index (block: Block) =
                let name = $"layer{stage + 1}.{index}"
                let stride = if stage > 0 && index = 0 then 2L else 1L

                [
                    for i, part in List.indexed block.Units do
                        let strided = i = units - 2
                        yield! unit (if strided then stride else 1L) $"{name}.conv{i + 1}" $"{name}.bn{i + 1}" part

                    for shortcut in Option.toList block.Shortcut do
                        yield! unit stride $"{name}.downsample.0" $"{name}.downsample.1" shortcut
                ]

            let tensors =
                [
                    yield! unit 2L "conv1" "bn1" stem

                    for stage, blocks in List.indexed stages do
                        for index, block in List.indexed (List.truncate form.Blocks[stage] blocks) do
                            yield! ofBlock stage index block
                ]

            tensors,
            [
                if surplus > 0 then
                    let blocks = if surplus = 1 then "block" else $"{surplus} blocks"
                    $"left aside: the last {blocks} of its last stage, which a residual network of this kind does not have"
            ]
