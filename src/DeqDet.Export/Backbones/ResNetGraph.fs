namespace DeqDet.Export

open DeqDet.Model.Backbones

/// Residual networks as operations.
module internal ResNetGraph =

    let private rectified (u: Unit) x (graph: Graph) = Op.relu (Layers.unit u x graph) graph

    let private block (block: Block) (x: Value) (graph: Graph) =
        let units, last = List.splitAt (block.Units.Length - 1) block.Units
        let main = units |> List.fold (fun x u -> rectified u x graph) x

        let sum =
            match block.Shortcut with
            | Some u -> Layers.unit u x graph
            | None -> x

        Op.relu (Op.add (Layers.unit last.Head main graph) sum graph) graph

    /// Images [B, 3, H, W] -> C2..C5.
    let apply (net: ResNet) (images: Value) (graph: Graph) : Value list =
        let start =
            let (graph: Graph) = Graph.within "stem" graph
            Layers.maxPool (rectified net.Stem images graph) graph

        let stage (x: Value) (number, blocks) =
            blocks
            |> List.indexed
            |> List.fold (fun x (index, one) -> block one x (Graph.within $"layer{number + 1}.{index}" graph)) x

        net.Stages |> List.indexed |> List.scan stage start |> List.tail
