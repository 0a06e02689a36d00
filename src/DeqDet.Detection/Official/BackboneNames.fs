namespace DeqDet.Detection

open System
open System.Text.RegularExpressions
open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Model

/// The backbone in a file of weights.
type BackboneFile =
    {
        /// Under a detector's names, which start with `backbone.`.
        Tensors: StoredTensor list
        /// What it was trained to see, where the file says so; else it is what `data.normalise` says.
        Input: BackboneInput option
        /// What a person should know about which tensors these are.
        Notices: string list
    }

/// Brings the weights of image classifiers, as their authors publish them, under the names (and into the order) that detectors use:
/// torchvision's ResNet (also in an ONNX file of CNTK's) and MobileNetV2, and the original Swin Transformer. Nothing is copied; a reordered tensor is a view on the file.
module BackboneNames =

    /// What the names of a detector's backbone start with.
    let prefix = "backbone."

    let private isBackbone (tensor: StoredTensor) =
        tensor.Name.StartsWith(prefix, StringComparison.Ordinal)

    /// Whether a backbone weight belongs to the normalisation of a Swin level's output, which classifiers do not have.
    let isOutputNorm (name: string) : bool =
        Regex.IsMatch(name, @"^backbone\.norm\d\.")

    /// Whether a backbone tensor is one that nothing computes with: batch counters, tables of positions.
    let isBookkeeping (name: string) : bool =
        name.EndsWith(".num_batches_tracked", StringComparison.Ordinal)
        || name.EndsWith(".relative_position_index", StringComparison.Ordinal)

    // What timm and others call ResNets too, by a tensor of theirs that torchvision's form has not.
    let private otherResNets =
        [
            "conv1.0.weight", "a stem of several convolutions (ResNet-C, ResNet-D)"
            "layer2.0.downsample.2.weight", "pooling in its shortcuts (ResNet-D)"
            "layer1.0.se.fc1.weight", "squeeze-and-excitation blocks (SE-ResNet)"
        ]

    let private checkForm (file: ITensorFile) : unit =
        for name, what in otherResNets do
            if not (isNull (file.Find name)) then
                raise (
                    CheckpointError(
                        file.Path,
                        $"is a ResNet with {what}, as '{name}' shows; only torchvision's form is known here, which timm has as resnet18, resnet34, "
                        + "resnet50 and resnet101 without a letter behind"
                    )
                )

    // torchvision/models/resnet.py has the detectors' names already; fc is the classifier.
    let private resNet (tensor: StoredTensor) : StoredTensor option =
        if tensor.Name.StartsWith("fc.", StringComparison.Ordinal) then
            None
        else
            Some(tensor.Renamed(prefix + tensor.Name))

    /// Patch merging concatenates the C channels of four neighbours, in the original in the order (row, column) = (0,0), (1,0),
    /// (0,1), (1,1), channel by channel within each; here channel by channel, and (0,0), (0,1), (1,0), (1,1) within each.
    let private merging (path: string) (tensor: StoredTensor) (name: string) : StoredTensor =
        let shape = tensor.Shape

        if shape.Count = 0 || shape[shape.Count - 1] % 4L <> 0L then
            raise (
                CheckpointError(
                    path,
                    $"'{tensor.Name}' has the shape {TensorShape.Text shape}; patch merging needs a multiple of 4 inputs"
                )
            )

        let channels = shape[shape.Count - 1] / 4L
        // channel, row, column
        tensor.Reordered(name, [| channels; 2L; 2L |], [| 1L; channels; 2L * channels |])

    // Original names: github.com/microsoft/Swin-Transformer, models/swin_transformer.py; ours: mmdet's SwinTransformer.
    let private swin (path: string) (tensor: StoredTensor) : StoredTensor option =
        let name = tensor.Name

        if name = "absolute_pos_embed" then
            raise (CheckpointError(path, "has an absolute position embedding, which no detector here uses"))
        elif name.StartsWith "head." || name.StartsWith "norm." || name.EndsWith ".attn_mask" then
            None
        else
            let own =
                prefix
                + Regex
                    .Replace(name, @"^layers\.", "stages.")
                    .Replace(".attn.", ".attn.w_msa.")
                    .Replace(".mlp.fc1.", ".ffn.layers.0.0.")
                    .Replace(".mlp.fc2.", ".ffn.layers.1.")
                    .Replace("patch_embed.proj.", "patch_embed.projection.")

            if name.Contains ".downsample." then
                Some(merging path tensor own)
            else
                Some(tensor.Renamed own)

    // torchvision/models/mobilenetv2.py; features.18 widens the last map for the classifier.
    let private mobileNet (tensor: StoredTensor) : StoredTensor option =
        if tensor.Name.StartsWith "classifier." || tensor.Name.StartsWith "features.18." then
            None
        else
            Some(tensor.Renamed(prefix + tensor.Name))

    /// The norm after a convolution stands beside it, under the next number.
    let private normAfter (convolution: string) : string =
        Regex.Replace(convolution, @"\d+$", (fun (number: Match) -> string (Int32.Parse number.Value + 1)))

    /// A MobileNetV2 whose normalisations were taken into the convolutions, with biases instead: one that leaves everything as it is, but for
    /// a shift by the bias.
    let private unfolded (tensors: StoredTensor list) : StoredTensor list =
        let biasEnd = ".bias"
        // 1e-5 is added to it
        let one = float32 (1.0 - 1e-5)

        tensors
        |> List.choose mobileNet
        |> List.collect (fun tensor ->
            if tensor.Name.EndsWith(biasEnd, StringComparison.Ordinal) then
                let norm = normAfter (tensor.Name.Substring(0, tensor.Name.Length - biasEnd.Length))

                [
                    tensor.Filled($"{norm}.weight", 1.0f)
                    tensor.Renamed $"{norm}.bias"
                    tensor.Filled($"{norm}.running_mean", 0.0f)
                    tensor.Filled($"{norm}.running_var", one)
                ]
            else
                [ tensor ])

    /// The input of the ResNet that CNTK wrote: BGR, less the mean of ImageNet's training set.
    let private cntkInput: BackboneInput =
        {
            Mean = [ 123.15; 115.9; 103.06 ]
            Std = [ 1.0; 1.0; 1.0 ]
            Padding = Symmetric
        }

    /// The input of TensorFlow's MobileNetV2.
    let private tensorFlowInput: BackboneInput =
        {
            Mean = [ 127.5; 127.5; 127.5 ]
            Std = [ 127.5; 127.5; 127.5 ]
            Padding = Same
        }

    let private ofGraph (file: OnnxFile) : BackboneFile =
        let tensors, notices = OnnxResNet.read file
        let isCntk = file.Producer = "CNTK"

        {
            Tensors =
                [
                    for tensor in tensors do
                        let name = prefix + tensor.Name

                        if isCntk && tensor.Name = "conv1.weight" && tensor.Shape.Count = 4 then
                            // to channels red, green, blue
                            tensor.Reversed(name, 1)
                        else
                            tensor.Renamed name
                ]
            Input = if isCntk then Some cntkInput else None
            Notices = notices
        }

    let private named (file: ITensorFile) (tensors: StoredTensor list) : BackboneFile =
        {
            Tensors = tensors
            Input =
                match file with
                | :? SafetensorsFile as file -> BackboneInput.ofMetadata file.Path file.Metadata
                | _ -> None
            Notices = []
        }

    /// The backbone's tensors under names that start with `backbone.`; the classifier's own layers are left out. Of a detector's
    /// weights only the backbone is taken. Raises CheckpointError where the file is none of these.
    let convert (file: ITensorFile) : BackboneFile =
        let has (name: string) = not (isNull (file.Find name))
        let tensors = List.ofSeq file.Tensors

        if tensors |> List.exists isBackbone then
            tensors |> List.filter isBackbone |> named file
        elif has "layer1.0.conv1.weight" then
            checkForm file
            tensors |> List.choose resNet |> named file
        elif has "features.0.0.weight" && has "features.17.conv.2.weight" then
            if has "features.0.0.bias" then
                let backbone = unfolded tensors |> named file

                { backbone with
                    Input = backbone.Input |> Option.orElse (Some tensorFlowInput)
                    Notices =
                        [
                            "its batch normalisations were taken into its convolutions, as TensorFlow's are: they become ones that only shift"
                        ]
                }
            else
                tensors |> List.choose mobileNet |> named file
        elif has "layers.0.blocks.0.attn.qkv.weight" then
            tensors |> List.choose (swin file.Path) |> named file
        else
            match file with
            | :? OnnxFile as file -> ofGraph file
            | _ ->
                let names = [| for tensor in tensors -> tensor.Name |]

                raise (
                    CheckpointError(
                        file.Path,
                        $"holds no known backbone and no detector, but {WeightNames.Summary names}; known are torchvision's ResNet and MobileNetV2, "
                        + "the original Swin Transformer, and detectors with 'backbone.' names"
                    )
                )
