/// What every page has to be in a browser, and the browser that tests share.
module DeqDet.Tests.BrowserChecks

open System
open System.IO
open System.Text.Json
open Expecto
open DeqDet.Tests.Browser

/// One for all tests, since starting it takes longer than most of them; it ends with the program.
let private browser =
    lazy
        (find ()
         |> Option.map (fun program ->
             let browser = new Browser(program)
             AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> (browser :> IDisposable).Dispose())
             browser))

/// Runs a test in the browser; it is skipped where there is none.
let withBrowser (test: Browser -> unit) : unit =
    match browser.Value with
    | None -> skiptest "there is no Chromium on this machine, so no page is opened"
    | Some browser -> test browser

/// Addresses of a page that is a file.
let local (address: string) = address.StartsWith "file:"

/// 0 black to 255 white, of the ground or of the text of the page as it is shown.
let private brightness (browser: Browser) (property: string) =
    let colour = browser.Read $"getComputedStyle(document.body)['{property}']"

    colour.Split('(', ',', ')')
    |> Array.skip 1
    |> Array.take 3
    |> Array.averageBy float

/// Nothing went wrong, nothing was fetched from elsewhere than `own` addresses, and nothing is wider than the window.
let expectWhole (own: string -> bool) (browser: Browser) (about: string) =
    Expect.equal browser.Complaints [] $"{about}: errors"

    let elsewhere =
        browser.Requests
        |> List.filter (fun address -> not (own address || address.StartsWith "data:" || address.StartsWith "blob:"))

    Expect.equal elsewhere [] $"{about}: fetched"

    let wide =
        browser.Read
            "(() => { const d = document.documentElement; return d.scrollWidth > d.clientWidth ? `${d.scrollWidth} px in ${d.clientWidth}: ` + [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > d.clientWidth + 1).slice(0, 3).map(e => e.tagName + '.' + e.className).join(' ') : ''; })()"

    Expect.equal wide "" $"{about}: wider than the window"

/// Opens a page in all four ways; it stays open as on a dark phone.
let visit (own: string -> bool) (browser: Browser) (page: string) =
    for width, height in [ 1300, 900; 390, 844 ] do
        for dark in [ false; true ] do
            browser.Show(width, height, dark)
            browser.Open page
            let about = $"{Path.GetFileName page} at {width} px"
            expectWhole own browser about
            let ground, text = brightness browser "backgroundColor", brightness browser "color"
            Expect.equal (ground < 128.0) dark $"{about}: ground {ground}"
            Expect.isGreaterThan (abs (ground - text)) 120.0 $"{about}: text {text} on {ground}"

/// How many elements a CSS selector finds.
let count (browser: Browser) (selector: string) =
    int (browser.Read $"document.querySelectorAll({JsonSerializer.Serialize selector}).length")

/// Gives the first element that a CSS selector finds the focus.
let focus (browser: Browser) (selector: string) =
    browser.Read $"document.querySelector({JsonSerializer.Serialize selector}).focus()"
    |> ignore
