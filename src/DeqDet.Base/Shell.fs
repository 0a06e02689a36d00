namespace DeqDet

open System

/// Commands that a message suggests have to survive being pasted into a shell.
module Shell =

    /// Characters that neither POSIX shells nor PowerShell read as anything but themselves, wherever they stand.
    let private isPlain (c: char) =
        Char.IsAsciiLetterOrDigit c
        || c = '_'
        || c = '.'
        || c = '/'
        || c = ':'
        || c = '-'
        || c = '+'

    /// What PowerShell reads as a single quote: the typographic ones, too.
    let private isSingleQuote (c: char) =
        c = '\'' || (c >= '\u2018' && c <= '\u201B')

    /// What has a meaning between double quotes in one of the shells: expansion, escape, history, an end quote.
    let private isActiveInDoubleQuotes (c: char) =
        c = '$'
        || c = '`'
        || c = '"'
        || c = '\\'
        || c = '!'
        || (c >= '\u201C' && c <= '\u201E')

    /// A text as one argument of a command, for PowerShell if `powerShell` is true and for POSIX shells otherwise. The two differ only
    /// where the text has both a single quote and a character that is active between double quotes.
    let quoteFor (powerShell: bool) (text: string) : string =
        if text <> "" && Seq.forall isPlain text then
            text
        elif not (Seq.exists isSingleQuote text) then
            $"'{text}'"
        elif not (Seq.exists isActiveInDoubleQuotes text) then
            $"\"{text}\""
        elif powerShell then
            "'"
            + String.collect (fun c -> if isSingleQuote c then String(c, 2) else string c) text
            + "'"
        else
            "'" + text.Replace("'", "'\\''") + "'"

    /// A text as one argument of a command, for the shell that this system's users most likely have. What needs no quotes gets none.
    let quote (text: string) : string =
        quoteFor (OperatingSystem.IsWindows()) text
