/// One application of a head written down in TorchScript, operation by operation, from the paper and the table of its weights: what somebody
/// else's module computes.
module DeqDet.Tests.ScriptedHead

open System
open TorchSharp
open DeqDet.Model
open DeqDet.Tests

/// The weights of a head by the names that the script gives them.
let private tensors (detector: Detector) (head: int) : (string * Tensor) list =
    let prefix = $"roi_head.bbox_head.{head}."
    let channels = detector.Settings.Head.Channels / 4

    [
        for spec, tensor in detector.Tensors do
            if spec.Name.StartsWith(prefix, StringComparison.Ordinal) then
                spec.Name.Substring(prefix.Length).Replace('.', '_'), tensor.detach().contiguous()
        "unit", torch.tensor [| 1000f; 1000f; 1f; 1f |]
        "frequency",
        torch.tensor
            [|
                for i in 0 .. channels / 2 - 1 -> float32 (10000.0 ** (float (2 * i) / float channels))
            |]
    ]

let private body (settings: DetectorSettings) : string list =
    let head = settings.Head
    let c, g, heads = head.Channels, head.Groups, head.Heads
    let each, width, p = c / g, c / heads, head.PointsIn

    let linear name x =
        $"torch.linear({x}, self.{name}_weight, self.{name}_bias)"

    let norm name x =
        $"torch.layer_norm({x}, [{c}], self.{name}_weight, self.{name}_bias, 1e-05, False)"

    let corner name index x =
        [
            $"{name}_low = torch.slice({x}, -1, 0, 2)"
            $"{name}_high = torch.slice({x}, -1, 2, 4)"
            $"{name}_extent = torch.sub({name}_high, {name}_low)"
            $"{name}_area = torch.mul(torch.select({name}_extent, -1, 0), torch.select({name}_extent, -1, 1))"
            $"{name}_low = torch.unsqueeze({name}_low, {index})"
            $"{name}_high = torch.unsqueeze({name}_high, {index})"
        ]

    [
        "b = torch.size(position, 0)"
        "q = torch.size(position, 1)"
        // where a query looks, embedded
        "angle = torch.div(torch.unsqueeze(torch.div(position, self.unit), -1), self.frequency)"
        "x = torch.add(content, torch.flatten(torch.stack([torch.sin(angle), torch.cos(angle)], -1), 2))"
        // how much of a box others cover
        yield! corner "row" 2 "box"
        yield! corner "column" 1 "box"
        "both = torch.clamp_min(torch.sub(torch.minimum(row_high, column_high), torch.maximum(row_low, column_low)), 0.)"
        "common = torch.mul(torch.select(both, -1, 0), torch.select(both, -1, 1))"
        "share = torch.div(common, torch.unsqueeze(torch.clamp_min(row_area, 1e-06), 2))"
        $"bias = torch.mul(torch.unsqueeze(torch.log(torch.add(share, 1e-07)), 1), torch.view(self.iof_tau, [1, {heads}, 1, 1]))"
        // attention
        "all = torch.linear(x, self.attention_attn_in_proj_weight, self.attention_attn_in_proj_bias)"
        $"all = torch.permute(torch.view(all, [b, q, 3, {heads}, {width}]), [2, 0, 3, 1, 4])"
        $"asked = torch.mul(torch.select(all, 0, 0), {(1.0 / sqrt (float width)):R})"
        "scores = torch.add(torch.matmul(asked, torch.transpose(torch.select(all, 0, 1), -2, -1)), bias)"
        "heard = torch.matmul(torch.softmax(scores, -1), torch.select(all, 0, 2))"
        $"heard = torch.reshape(torch.permute(heard, [0, 2, 1, 3]), [b, q, {c}])"
        "x = torch.add(x, " + linear "attention_attn_out_proj" "heard" + ")"
        "x = " + norm "attention_norm" "x"
        // points
        "offset = torch.view("
        + linear "sampling_n_mixing_sampling_offset_generator_0" "x"
        + $", [b, q, {g * p}, 3])"
        "z = torch.slice(position, -1, 2, 3)"
        "r = torch.slice(position, -1, 3, 4)"
        "size = torch.mul(torch.exp2(z), torch.exp2(torch.cat([torch.mul(r, -0.5), torch.mul(r, 0.5)], -1)))"
        "place = torch.add(torch.unsqueeze(torch.slice(position, -1, 0, 2), 2), torch.mul(torch.slice(offset, -1, 0, 2), torch.unsqueeze(size, 2)))"
        "depth = torch.add(z, torch.select(offset, -1, 2))"
        $"place = torch.reshape(torch.permute(torch.view(place, [b, q, {g}, {p}, 2]), [0, 2, 1, 3, 4]), [torch.mul(b, {g}), q, {p}, 2])"
        $"depth = torch.reshape(torch.permute(torch.view(depth, [b, q, {g}, {p}]), [0, 2, 1, 3]), [torch.mul(b, {g}), q, {p}])"
        for level in 0..3 do
            $"away{level} = torch.sub(depth, {level + 2}.)"

            $"weight{level} = torch.mul(torch.mul(away{level}, away{level}), -0.5)"
        "weights = torch.softmax(torch.stack([weight0, weight1, weight2, weight3], -1), -1)"
        // levels
        for level in 0..3 do
            let stride = 4 <<< level
            let feat = $"feat{level}"
            $"across{level} = torch.mul(torch.size({feat}, 3), {stride})"
            $"down{level} = torch.mul(torch.size({feat}, 2), {stride})"

            $"grid{level} = torch.stack([torch.div(torch.select(place, -1, 0), across{level}), torch.div(torch.select(place, -1, 1), down{level})], -1)"

            $"map{level} = torch.reshape({feat}, [torch.mul(b, {g}), {each}, torch.size({feat}, 2), torch.size({feat}, 3)])"

            $"read{level} = torch.mul(torch.grid_sampler(map{level}, torch.sub(torch.mul(grid{level}, 2.), 1.), 0, 0, False), torch.unsqueeze(torch.select(weights, -1, {level}), 1))"
        "read = torch.add(torch.add(read0, read1), torch.add(read2, read3))"
        $"read = torch.permute(torch.view(read, [b, {g}, {each}, q, {p}]), [0, 3, 1, 4, 2])"
        // mixing
        "made = torch.reshape("
        + linear "sampling_n_mixing_adaptive_mixing_parameter_generator_0" "x"
        + $", [torch.mul(torch.mul(b, q), {g}), {each * each + p * head.PointsOut}])"
        $"m = torch.reshape(torch.slice(made, 1, 0, {each * each}), [-1, {each}, {each}])"
        $"s = torch.reshape(torch.slice(made, 1, {each * each}), [-1, {head.PointsOut}, {p}])"
        $"y = torch.bmm(torch.reshape(read, [-1, {p}, {each}]), m)"
        $"y = torch.relu(torch.layer_norm(y, [{p}, {each}], None, None, 1e-05, False))"
        $"y = torch.relu(torch.layer_norm(torch.bmm(s, y), [{head.PointsOut}, {each}], None, None, 1e-05, False))"
        "y = torch.add(x, "
        + linear "sampling_n_mixing_adaptive_mixing_out_proj" "torch.view(y, [b, q, -1])"
        + ")"
        "y = " + norm "sampling_n_mixing_norm" "y"
        // feed-forward
        "hidden = torch.relu(" + linear "ffn_layers_0_0" "y" + ")"
        "y = torch.add(y, " + linear "ffn_layers_1" "hidden" + ")"
        "y = " + norm "ffn_norm" "y"
        // read-out
        "kind = torch.relu(" + norm "cls_fcs_1" (linear "cls_fcs_0" "y") + ")"
        "logits = " + linear "fc_cls" "kind"
        "move = torch.relu(" + norm "reg_fcs_1" (linear "reg_fcs_0" "y") + ")"
        "move = " + linear "fc_reg" "move"
        "centre = torch.add(torch.slice(position, -1, 0, 2), torch.mul(torch.slice(move, -1, 0, 2), torch.exp2(z)))"
        "shape = torch.add(torch.slice(position, -1, 2, 4), torch.slice(move, -1, 2, 4))"
        "r = torch.slice(shape, -1, 1, 2)"
        "half = torch.mul(torch.mul(torch.exp2(torch.slice(shape, -1, 0, 1)), torch.exp2(torch.cat([torch.mul(r, -0.5), torch.mul(r, 0.5)], -1))), 0.5)"
        "found = torch.cat([torch.sub(centre, half), torch.add(centre, half)], -1)"
        "return (torch.cat([centre, shape], -1), y, found, logits)"
    ]

/// Writes the module of a detector's refinement head, its weights inside.
let write (path: string) (detector: Detector) : unit =
    use _ = torch.NewDisposeScope()

    ScriptArchive.write
        path
        (ScriptArchive.applicationOf ScriptArchive.fourTensors)
        (body detector.Settings)
        (tensors detector 1)
