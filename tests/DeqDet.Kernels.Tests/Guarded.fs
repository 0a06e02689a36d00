/// Memory between fences, for kernels that take pointers. Whoever reads or writes beyond the fence that the numbers adjoin ends the
/// process; what lies on their other side is NaN before and must be it afterwards.
module DeqDet.Kernels.Tests.Guarded

#nowarn "9" // pointers are what this is about

open System
open System.Runtime.InteropServices
open FSharp.NativeInterop
open Expecto
open DeqDet.Tests.KernelCases

[<DllImport("libc", SetLastError = true)>]
extern nativeint private mmap(nativeint address, unativeint length, int access, int flags, int file, nativeint offset)

[<DllImport("libc", SetLastError = true)>]
extern int private mprotect(nativeint address, unativeint length, int access)

[<DllImport("libc", SetLastError = true)>]
extern int private munmap(nativeint address, unativeint length)

let private page = nativeint Environment.SystemPageSize

/// Pages with an inaccessible one before and after; where the system has none, ordinary memory. -> all of it, and what may be used.
let private take (length: nativeint) : struct (nativeint * nativeint) =
    if OperatingSystem.IsLinux() then
        // PROT_NONE; MAP_PRIVATE and MAP_ANONYMOUS; PROT_READ and PROT_WRITE
        let all = mmap (0n, unativeint (length + 2n * page), 0, 0x22, -1, 0n)

        if all = -1n || mprotect (all + page, unativeint length, 3) <> 0 then
            failwith $"no pages: error {Marshal.GetLastPInvokeError()}"

        struct (all, all + page)
    else
        let all = Marshal.AllocHGlobal length
        struct (all, all)

let private give (all: nativeint) (length: nativeint) =
    if OperatingSystem.IsLinux() then
        munmap (all, unativeint (length + 2n * page)) |> ignore
    else
        Marshal.FreeHGlobal all

/// So many numbers, all bits set (float32: NaN), right beside a fence.
type Guarded<'T when 'T: unmanaged>(count: int, fence: Fence) =
    let size = nativeint count * nativeint sizeof<'T>
    // at least a page of NaN on the other side
    let length = (size + page - 1n) / page * page + page
    let struct (all, inner) = take length

    let start =
        match fence with
        | Before when OperatingSystem.IsLinux() -> inner
        | After when OperatingSystem.IsLinux() -> inner + length - size
        // in the middle, as nothing stops anybody at the ends
        | _ -> inner + page / 2n

    let bytes =
        Span<byte>(NativePtr.toVoidPtr (NativePtr.ofNativeInt<byte> inner), int length)

    do bytes.Fill 255uy

    /// With these numbers.
    new(numbers: 'T[], fence: Fence) as this =
        new Guarded<'T>(numbers.Length, fence)
        then numbers.AsSpan().CopyTo this.Span

    member _.Pointer: nativeptr<'T> = NativePtr.ofNativeInt start

    member _.Span: Span<'T> =
        Span<'T>(NativePtr.toVoidPtr (NativePtr.ofNativeInt<'T> start), count)

    member this.ToArray() : 'T[] = this.Span.ToArray()

    interface IDisposable with
        member _.Dispose() =
            let bytes =
                Span<byte>(NativePtr.toVoidPtr (NativePtr.ofNativeInt<byte> inner), int length)

            let before = int (start - inner)
            let isWhole = bytes.Slice(0, before).IndexOfAnyExcept 255uy < 0
            let isWholeAfter = bytes.Slice(before + int size).IndexOfAnyExcept 255uy < 0
            give all length
            Expect.isTrue isWhole "nothing is written before the numbers"
            Expect.isTrue isWholeAfter "nothing is written after the numbers"
