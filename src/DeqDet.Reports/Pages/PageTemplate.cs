using System.Text;
using System.Text.Json;

namespace DeqDet.Reports.Pages;

/// <summary>Puts a page together: one HTML file that needs no other.</summary>
internal static class PageTemplate
{
    /// <summary>What the browser lets a page load besides its own style and script: the pictures that it holds.</summary>
    private const string Pictures = "img-src data:";

    /// <summary>Writes a page.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="title">Its title.</param>
    /// <param name="body">Name of its body.</param>
    /// <param name="styles">Names of the style sheets.</param>
    /// <param name="data">Writes the data that the scripts show, with an encoder that escapes &lt;, so that no text can end their element.</param>
    /// <param name="scripts">Names of the scripts, in the order in which the browser reads them; the last one runs the others.</param>
    /// <param name="policy">What else the browser lets it load: the end of its content security policy.</param>
    public static void Write(
        Stream stream,
        string title,
        string body,
        IEnumerable<string> styles,
        Action<Utf8JsonWriter> data,
        IEnumerable<string> scripts,
        string policy = Pictures
    )
    {
        var rest = PageResource.Text("frame.html");
        Until("<!--policy-->", policy);
        Until("<!--title-->", title);
        Until("<!--style-->", string.Concat(styles.Select(PageResource.Text)));
        Until("<!--body-->\n", PageResource.Text(body));
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
