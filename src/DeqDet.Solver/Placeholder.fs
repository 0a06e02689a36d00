namespace DeqDet.Solver
