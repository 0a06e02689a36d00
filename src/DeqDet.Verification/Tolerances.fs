/// The errors accepted of a float32 implementation, as the goldens' own documentation recommends them: about ten times what
/// separates the reference's float32 from its float64 run.
module DeqDet.Verification.Tolerances

/// Single functions and one application of a head, of the tensor's scale.
let forward = 2e-5

/// Gradients of one application of a head, of the tensor's scale.
let headGradient = 1e-4

/// Trajectories of prediction and training, backbone and neck maps, of the tensor's scale.
let trajectory = 1e-4

/// Losses of a training step, relative.
let loss = 1e-4

/// Gradients of a training step, of the tensor's scale.
let trainingGradient = 1e-3

/// Costs, losses and their gradients on given boxes, relative.
let given = 1e-5

/// Final boxes of the full models, px.
let boxes = 0.05

/// Residuals of exported models, in sizes of boxes: what the error accepted of a box is of one of 25 px.
let residuals = boxes / 25.0

/// Final scores of the full models.
let scores = 1e-4

/// Resized pictures, grey levels.
let greyLevels = 1.0
