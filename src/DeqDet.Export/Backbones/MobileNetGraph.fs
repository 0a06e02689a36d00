namespace DeqDet.Export

open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Model.Backbones

/// MobileNetV2 as operations.
module internal MobileNetGraph =

    let private relu6 (x: Value) (graph: Graph) =
        let bound number =
            Op.cast x.Type (Graph.real number graph) graph

        Op.minimum (Op.maximum x (bound 0.0) graph) (bound 6.0) graph

    /// Zeros before a 3x3 convolution of stride 2, as few as it needs: of an even side none before it and one after it.
    let private padded (x: Value) (graph: Graph) =
        let uneven axis =
            Op.remainder (Op.sizeOf axis x graph) (Graph.integers [ 2L ] graph) graph

        let none, one = Graph.integers [ 0L ] graph, Graph.integers [ 1L ] graph

        let around =
            Op.concat 0 [ none; none; uneven 2; uneven 3; none; none; one; one ] graph

        Op.pad around [ Op.size 0 x; Op.size 1 x; Op.Free; Op.Free ] x graph

    let private applyUnit padding rectify (u: Unit) (x: Value) (graph: Graph) =
        let x =
            if padding = Same && u.Convolution.Stride > 1 then
                padded x graph
            else
                x

        let y = Layers.unit u x graph
        if rectify then relu6 y graph else y

    let private applyBlock padding (block: InvertedBlock) (x: Value) (graph: Graph) =
        let inner = block.Units |> List.fold (fun x u -> applyUnit padding true u x graph) x

        let y = applyUnit padding false block.Project inner graph
        if block.AddsInput then Op.add y x graph else y

    /// Images [B, 3, H, W] -> C2..C5.
    let apply (net: MobileNet) (images: Value) (graph: Graph) : Value list =
        let start = applyUnit net.Padding true net.Stem images (Graph.within "stem" graph)

        let stage (x: Value) (number, blocks) =
            blocks
            |> List.indexed
            |> List.fold
                (fun x (index, one) -> applyBlock net.Padding one x (Graph.within $"stage{number + 1}.{index}" graph))
                x

        net.Stages |> List.indexed |> List.scan stage start |> List.tail
