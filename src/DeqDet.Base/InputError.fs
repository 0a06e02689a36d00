namespace DeqDet

/// Bad usage or bad input: the message names the place (file, field, argument), what is wrong with it and the remedy.
/// The program prints it as `error: <message>` and ends with exit code 2; it is never a defect of the program itself.
type InputError(message: string, inner: exn) =
    inherit System.Exception(message, inner)

    new(message: string) = InputError(message, null)
