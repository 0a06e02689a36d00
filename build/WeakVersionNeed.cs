using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies an ELF shared library (64-bit, little-endian) and marks its demand for one symbol version as weak, which the
/// dynamic loader only warns of (and only when asked to) where it otherwise refuses to load the library.
/// Does so only if no relocation uses a symbol of that version: then nothing can miss it. In any other case the copy
/// is an exact one, with a message that says why.
/// Everything is found the way the loader finds it, through the dynamic segment; section headers may be stripped.
/// Constants are those of the ELF and GNU symbol versioning specifications.
/// </summary>
public class WeakVersionNeed : Task
{
    const int ProgramLoad = 1,
        ProgramDynamic = 2;

    const long TagStringTable = 5,
        TagSymbolTable = 6,
        TagRela = 7,
        TagRelaSize = 8,
        TagPltRelocationsSize = 2,
        TagPltRelocations = 23,
        TagVersionSymbols = 0x6ffffff0,
        TagVersionNeed = 0x6ffffffe,
        TagVersionNeedCount = 0x6fffffff;

    const int SymbolSize = 24,
        RelaSize = 24;

    const ushort FlagWeak = 2;

    [Required]
    public string Library { get; set; }

    [Required]
    public string Copy { get; set; }

    /// <summary>Name of the version, such as GLIBCXX_3.4.32.</summary>
    [Required]
    public string Version { get; set; }

    byte[] bytes;
    readonly List<long[]> segments = new List<long[]>(); // address, size in the file, offset in the file
    readonly Dictionary<long, long> dynamic = new Dictionary<long, long>(); // tag -> value

    public override bool Execute()
    {
        bytes = File.ReadAllBytes(Library);
        try
        {
            var remark = Weaken();
            if (remark != null)
                Log.LogMessage(MessageImportance.High, "{0}: {1}; used as it is.", Path.GetFileName(Library), remark);
        }
        catch (Exception e) when (e is IndexOutOfRangeException || e is ArgumentException || e is InvalidDataException)
        {
            Log.LogError("{0} is no intact ELF library: {1}", Library, e.Message);
            return false;
        }

        // Another build may be reading the copy: it sees the old one or the new one, never half of one.
        Directory.CreateDirectory(Path.GetDirectoryName(Copy));
        var temporary = Copy + "." + Guid.NewGuid().ToString("N");
        File.WriteAllBytes(temporary, bytes);
        if (File.Exists(Copy))
            File.Delete(Copy);
        File.Move(temporary, Copy);
        return true;
    }

    /// <summary>Changes `bytes`; null when done, else why nothing was changed.</summary>
    string Weaken()
    {
        if (bytes.Length < 64 || bytes[0] != 0x7f || bytes[1] != 'E' || bytes[2] != 'L' || bytes[3] != 'F')
            throw new InvalidDataException("it does not begin like one.");
        if (bytes[4] != 2 || bytes[5] != 1)
            return "not a 64-bit little-endian library";

        ReadSegments();
        if (!dynamic.ContainsKey(TagVersionNeed) || !dynamic.ContainsKey(TagVersionNeedCount))
            return "demands no symbol versions";

        var demand = FindDemand();
        if (demand < 0)
            return "does not demand " + Version;

        // Elf64_Vernaux: hash (4 bytes), flags (2), version index (2), name (4), next (4).
        var used = FirstSymbolUsed(U16(demand + 6));
        if (used != null)
            return "needs " + Version + " for the symbol " + used + ", so a newer libstdc++ is needed";

        bytes[demand + 4] |= (byte)FlagWeak;
        return null;
    }

    void ReadSegments()
    {
        long table = I64(32);
        int entrySize = U16(54),
            count = U16(56);
        long dynamicOffset = -1,
            dynamicSize = 0;
        for (var i = 0; i < count; i++)
        {
            var entry = table + (long)i * entrySize;
            var type = I32(entry);
            if (type == ProgramLoad)
                segments.Add(new[] { I64(entry + 16), I64(entry + 32), I64(entry + 8) });
            else if (type == ProgramDynamic)
            {
                dynamicOffset = I64(entry + 8);
                dynamicSize = I64(entry + 32);
            }
        }
        if (dynamicOffset < 0)
            throw new InvalidDataException("it has no dynamic segment.");
        for (long at = dynamicOffset; at + 16 <= dynamicOffset + dynamicSize && I64(at) != 0; at += 16)
            dynamic[I64(at)] = I64(at + 8);
    }

    /// <summary>Offset of the Elf64_Vernaux record that demands the version; -1 if there is none.</summary>
    long FindDemand()
    {
        var strings = Offset(dynamic[TagStringTable]);
        var need = Offset(dynamic[TagVersionNeed]);
        for (var i = 0L; i < dynamic[TagVersionNeedCount]; i++)
        {
            // Elf64_Verneed: format version (2), number of records (2), file (4), first record (4), next (4).
            var record = need + I32(need + 8);
            for (var k = U16(need + 2); k > 0; k--)
            {
                if (Text(strings + I32(record + 8)) == Version)
                    return record;
                record += I32(record + 12);
            }
            need += I32(need + 12);
        }
        return -1;
    }

    /// <summary>Name of a symbol with this version index that a relocation refers to; null if none does.</summary>
    string FirstSymbolUsed(int version)
    {
        var strings = Offset(dynamic[TagStringTable]);
        var symbols = Offset(dynamic[TagSymbolTable]);
        var versions = Offset(dynamic[TagVersionSymbols]);
        var tables = new[]
        {
            new[] { TagRela, TagRelaSize },
            new[] { TagPltRelocations, TagPltRelocationsSize },
        };
        foreach (var table in tables)
        {
            if (!dynamic.ContainsKey(table[0]))
                continue;
            var start = Offset(dynamic[table[0]]);
            for (var at = start; at + RelaSize <= start + dynamic[table[1]]; at += RelaSize)
            {
                // Elf64_Rela: place (8), symbol index in the upper half of info (8), addend (8).
                long symbol = (uint)I32(at + 12);
                if (symbol != 0 && (U16(versions + 2 * symbol) & 0x7fff) == version)
                    return Text(strings + I32(symbols + SymbolSize * symbol));
            }
        }
        return null;
    }

    long Offset(long address)
    {
        foreach (var segment in segments)
            if (address >= segment[0] && address < segment[0] + segment[1])
                return segment[2] + address - segment[0];
        throw new InvalidDataException("address " + address + " lies in no segment.");
    }

    int U16(long at)
    {
        return BitConverter.ToUInt16(bytes, checked((int)at));
    }

    int I32(long at)
    {
        return BitConverter.ToInt32(bytes, checked((int)at));
    }

    long I64(long at)
    {
        return BitConverter.ToInt64(bytes, checked((int)at));
    }

    string Text(long at)
    {
        var end = Array.IndexOf(bytes, (byte)0, checked((int)at));
        return Encoding.ASCII.GetString(bytes, (int)at, end - (int)at);
    }
}
