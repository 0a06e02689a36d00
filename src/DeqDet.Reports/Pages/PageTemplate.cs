using System.Text;
using System.Text.Json;

namespace DeqDet.Reports.Pages;

/// <summary>Puts a page together: one HTML file that needs no other.</summary>
internal static class PageTemplate
{
    /// <summary>Writes a page.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="html">Name of the frame, with a mark for each of style, data and script.</param>
    /// <param name="styles">Names of the style sheets.</param>
    /// <param name="data">Writes the data that the scripts show, with an encoder that escapes &lt;, so that no text can end their element.</param>
    /// <param name="scripts">Names of the scripts, in the order in which the browser reads them; the last one runs the others.</param>
    public static void Write(
        Stream stream,
        string html,
        IEnumerable<string> styles,
        Action<Utf8JsonWriter> data,
        IEnumerable<string> scripts
    )
    {
        var rest = PageResource.Text(html);
        Until("<!--style-->", string.Concat(styles.Select(PageResource.Text)));
        Until("<!--data-->", "");
        using (var writer = new Utf8JsonWriter(stream))
        {
            data(writer);
        }

        Until("<!--script-->", "\"use strict\";\n" + string.Concat(scripts.Select(PageResource.Text)));
        Put(rest);

        void Until(string mark, string replacement)
        {
            var (before, after) = rest.Split(mark) is [var first, var second]
                ? (first, second)
                : throw new InvalidOperationException($"the page has to have {mark} once");
            Put(before);
            Put(replacement);
            rest = after;
        }

        void Put(string text) => stream.Write(Encoding.UTF8.GetBytes(text));
    }
}
