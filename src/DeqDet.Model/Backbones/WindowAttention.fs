namespace DeqDet.Model.Backbones

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Model

/// Weights of the self-attention inside the windows of a Swin Transformer.
type WindowAttention =
    {
        /// [(2 * 7 - 1)^2, heads]: bias of the attention by relative place in the window.
        PlaceBias: Tensor
        InProjection: Linear
        OutProjection: Linear
        Heads: int
    }

/// Self-attention inside windows of 7 x 7 (Liu et al. 2021, section 3.2).
module WindowAttention =

    /// Side of a window.
    let window = 7

    let private cells = window * window

    /// For each pair of cells of a window the row of the bias table that their relative place has.
    let private places =
        [|
            for a in 0 .. cells - 1 do
                for b in 0 .. cells - 1 do
                    let down = a / window - b / window + window - 1
                    let right = a % window - b % window + window - 1
                    int64 (down * (2 * window - 1) + right)
        |]

    /// A linear layer as Swin initialises it.
    let linear inputs outputs =
        Linear.createWith inputs outputs (Normal 0.02) (Constant 0.0)

    /// Weights for contents of this width, under the official names.
    let create width heads (source: WeightSource) : WindowAttention =
        let rows = (2 * window - 1) * (2 * window - 1)

        let bias =
            source
            |> WeightSource.parameter "relative_position_bias_table" [ rows; heads ] (Normal 0.02)

        let qkv = source |> WeightSource.at "qkv" |> linear width (3 * width)

        {
            PlaceBias = bias
            InProjection = qkv
            OutProjection = source |> WeightSource.at "proj" |> linear width width
            Heads = heads
        }

    /// Rows of the bias table by pair of cells, [49 * 49], on a device.
    let placeIndex (device: torch.Device) : Tensor = torch.tensor places |> onDevice device

    /// [B, H, W, C] -> windows [B*n, 49, C]; H and W are multiples of 7.
    let split (x: Tensor) =
        let b, h, w, c = x.size 0, x.size 1, x.size 2, x.size 3
        let side = int64 window

        x.view(b, h / side, side, w / side, side, c).permute(0L, 1L, 3L, 2L, 4L, 5L).reshape(-1L, side * side, c)

    /// The inverse of `split`.
    let join (b: int64) (h: int64) (w: int64) (windows: Tensor) =
        let side = int64 window

        windows.view(b, h / side, w / side, side, side, -1L).permute(0L, 1L, 3L, 2L, 4L, 5L).reshape(b, h, w, -1L)

    /// Mask [n, 1, 49, 49] of shifted windows over a padded map: cells that were not neighbours before the shift get -100.
    let shiftMask (like: Tensor) (h: int64) (w: int64) =
        let region (side: int64) (at: int64) =
            if at < side - int64 window then 0L
            elif at < side - int64 (window / 2) then 1L
            else 2L

        let regions =
            [|
                for y in 0L .. h - 1L do
                    for x in 0L .. w - 1L do
                        float32 (3L * region h y + region w x)
            |]

        let regions =
            split (torch.tensor(regions, dtype = torch.float32, device = like.device).view(1L, h, w, 1L))

        let regions = regions.squeeze -1L
        let apart = (regions.unsqueeze 1L).ne(regions.unsqueeze 2L)
        (apart.``to`` like.dtype * scalar -100.0).unsqueeze 1L

    /// Self-attention inside windows [B*n, 49, C], with the index of `placeIndex` and the mask of shifted windows.
    let apply (weights: WindowAttention) (index: Tensor) (mask: Tensor option) (windows: Tensor) =
        let n, c = windows.size 0, windows.size 2
        let heads, cells = int64 weights.Heads, int64 cells
        let width = c / heads

        let qkv =
            (Linear.apply weights.InProjection windows)
                .view(n, cells, 3L, heads, width)
                .permute(2L, 0L, 3L, 1L, 4L)
                .reshape(3L, n * heads, cells, width)
                .unbind
                0

        let bias =
            weights.PlaceBias.index_select(0L, index).view(cells, cells, heads).permute(2L, 0L, 1L)

        let scores =
            ((qkv[0] * scalar (1.0 / sqrt (float width))).bmm(qkv[1].transpose(1L, 2L))).view(n, heads, cells, cells)
            |> plus (bias.``to`` windows.dtype)

        let scores =
            match mask with
            | None -> scores
            | Some mask ->
                (plus mask (scores.view (-1L, mask.size 0, heads, cells, cells))).view(n, heads, cells, cells)

        let mixed = (scores.softmax -1L).view(n * heads, cells, cells).bmm qkv[2]

        mixed.view(n, heads, cells, width).transpose(1L, 2L).reshape(n, cells, c)
        |> Linear.apply weights.OutProjection

/// The masks of shifted windows for the sizes that were asked for last: they depend on nothing else.
type ShiftMasks() =
    // an image has four sizes; two sizes of images may take turns
    let most = 8
    let made = Dictionary<struct (int64 * int64 * torch.ScalarType * string), Tensor>()

    let free () =
        for mask in made.Values do
            mask.Dispose()

        made.Clear()

    /// The mask for padded maps of this height and width, as WindowAttention.shiftMask makes it: a handle of the caller's own.
    member _.Of (like: Tensor) (h: int64) (w: int64) : Tensor =
        lock made (fun () ->
            let key = struct (h, w, like.dtype, like.device.ToString())

            match made.TryGetValue key with
            | true, mask -> mask.alias ()
            | _ ->
                if made.Count >= most then
                    free ()

                let mask = scoped Seq.singleton (fun () -> WindowAttention.shiftMask like h w)
                made[key] <- mask.DetachFromDisposeScope()
                mask.alias ())

    interface IDisposable with
        member _.Dispose() = lock made free
