namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx
open DeqDet.Model
open DeqDet.Model.Backbones

/// Names of inputs and outputs.
module Names =
    /// Normalised images [B, 3, H, W], float32.
    [<Literal>]
    let Images = "images"

    /// Width and height of each image without its padding, px, [B, 2], float32.
    [<Literal>]
    let Sizes = "sizes"

    /// [B, n, 4], xyxy in px of the input.
    [<Literal>]
    let Boxes = "boxes"

    /// [B, n], best first.
    [<Literal>]
    let Scores = "scores"

    /// [B, n], places in the list of classes.
    [<Literal>]
    let Labels = "labels"

    /// [B, n].
    [<Literal>]
    let Queries = "queries"

    /// [B, Q]: how far the last application still moved each query.
    [<Literal>]
    let Residuals = "residuals"

    /// [B, Q]: applications of the refinement head to each query.
    [<Literal>]
    let Steps = "steps"

    /// [S, B, Q, 4], [S, B, Q], [S, B, Q]: the states on the way.
    let path: string list = [ "path_boxes"; "path_scores"; "path_labels" ]

/// The whole detector as a graph.
module DetectorGraph =

    let private backbone (weights: BackboneWeights) (images: Value) (graph: Graph) : Value list =
        let (graph: Graph) = Graph.within "backbone" graph

        // a Swin keeps its sums in float32, and its large layers cast for themselves
        let reduced () =
            if graph.Form.Weights = Half then
                Op.cast ElementType.Float16 images graph
            else
                images

        match weights with
        | ResNetWeights net -> ResNetGraph.apply net (reduced ()) graph
        | MobileNetWeights net -> MobileNetGraph.apply net (reduced ()) graph
        | SwinWeights net -> SwinGraph.apply net images graph

    let private neck (weights: NeckWeights) (features: Value list) (graph: Graph) : Value list =
        let level (number: int, (convolution: Convolution, x: Value)) =
            let (graph: Graph) = Graph.within $"neck/level{number}" graph

            let x =
                if graph.Form.Weights = Half then
                    Op.cast ElementType.Float16 x graph
                else
                    x

            let y = Layers.convolution convolution x graph
            let y = if weights.Form.Rectify then Op.relu y graph else y
            Layers.groupNorm Neck.groups weights.Norm (Op.cast ElementType.Float32 y graph) graph

        List.zip weights.Convolutions features |> List.indexed |> List.map level

    /// The graph of a decoder over maps that are its inputs, `level0`, `level1`, ..., with the states after every application as outputs `state0.position`, ...:
    /// what recorded states are compared with. Unrolled, as those are.
    let ofDecoder
        (form: Form)
        (detector: DetectorSettings)
        (weights: DecoderWeights)
        names
        strides
        (levels: int64 list list)
        : OnnxModel =
        let (graph: Graph) = Graph.create form names

        let maps =
            [
                for i, shape in List.indexed levels -> Graph.input $"level{i}" ElementType.Float32 shape graph
            ]

        let sizes = Graph.input Names.Sizes ElementType.Float32 [ Op.Free; 2L ] graph
        let pyramid = SamplingGraph.arrange detector.Head.Groups strides maps graph
        let decoder = Graph.within "decoder" graph
        let mutable query = DecoderGraph.initial detector.Kind weights.Initial sizes decoder

        let outputs =
            [
                for number, head in List.indexed (Decoder.schedule detector weights) do
                    let (graph: Graph) = Graph.within $"step{number}" decoder
                    query <- RefinementGraph.apply head pyramid query query id graph

                    for name, value in
                        [
                            "position", query.Position
                            "content", query.Content
                            "bbox", query.Box
                            "cls", RefinementGraph.classify head query.Content graph
                        ] do
                        Graph.named $"step%02d{number}.{name}" value graph
            ]

        OnnxModel(
            Form.fileVersion form,
            form.Operators,
            "deqdet",
            "",
            "",
            OnnxGraph(
                "decoder",
                graph.Operations,
                [| for _, tensor in graph.Initialisers.Values -> tensor |],
                [| for value in maps @ [ sizes ] -> Graph.described [ "batch" ] "" value |],
                [| for value in outputs -> Graph.described [ "batch" ] "" value |]
            ),
            [||]
        )

    /// The graph of a detector, with its inputs and outputs.
    let ofDetector (form: Form) (iteration: Iteration) (detector: Detector) : OnnxGraph =
        let settings, weights = detector.Settings, detector.Weights

        let (graph: Graph) =
            Graph.create form [ for spec, tensor in detector.Tensors -> spec.Name, tensor ]

        let images =
            Graph.input Names.Images ElementType.Float32 [ Op.Free; 3L; Op.Free; Op.Free ] graph

        let sizes = Graph.input Names.Sizes ElementType.Float32 [ Op.Free; 2L ] graph
        let levels = neck weights.Neck (backbone weights.Backbone images graph) graph

        let pyramid =
            SamplingGraph.arrange settings.Head.Groups Detector.strides levels graph

        let decoder = Graph.within "decoder" graph
        let start = DecoderGraph.initial settings.Kind weights.Decoder.Initial sizes decoder

        let query, settled =
            DecoderGraph.solve settings iteration weights.Decoder pyramid start decoder

        let logits =
            RefinementGraph.classify (List.last weights.Decoder.Heads) query.Content decoder

        let scores, labels, boxes, queries =
            DecoderGraph.readOut settings.Queries.Detections logits query.Box decoder

        let batch = [ "batch" ]

        let outputs =
            [
                Names.Boxes, boxes, batch, "left, top, right, bottom in px of the input image, best first"
                Names.Scores, scores, batch, "0 to 1"
                Names.Labels, labels, batch, "place in the list of classes"
                Names.Queries, queries, batch, "query that each detection comes from"

                match settled with
                | None -> ()
                | Some settled ->
                    Names.Residuals, settled.Residuals, batch, "how far the last step still moved each query"
                    Names.Steps, settled.Steps, batch, "applications of the refinement head to each query"

                    match settled.Path with
                    | None -> ()
                    | Some path ->
                        for name, value in List.zip Names.path path.Values do
                            name, value, [ "step"; "batch" ], "states on the way"
            ]

        OnnxGraph(
            "detector",
            graph.Operations,
            [|
                for name, value, _, _ in outputs do
                    Graph.named name value graph |> ignore
                // after the last value has been asked for
                for _, tensor in graph.Initialisers.Values -> tensor
            |],
            [|
                Graph.described
                    [ "batch"; "height"; "width" ]
                    "normalised images, R G B, padded at the right and below"
                    images
                Graph.described batch "width and height of each image without its padding, px" sizes
            |],
            [|
                for name, value, free, description in outputs ->
                    Graph.described free description { value with Name = name }
            |]
        )
