/// The service's page in a browser: a picture is given to it, and what is found is shown.
module DeqDet.Tests.ServicePageTests

open Expecto
open DeqDet.Serving
open DeqDet.Tests.Browser
open DeqDet.Tests.BrowserChecks
open DeqDet.Tests.Fakes

/// The line in which the page says what it does; scripts make it a moment after the page is there.
let private told = "(document.querySelector('#told')?.textContent ?? '')"

let private look (browser: Browser) (server: DetectionServer) =
    let address = string server.Address
    let own (asked: string) = asked.StartsWith address
    visit own browser address
    browser.Choose("one.png", png (picture 40 30 7))
    browser.Until($"{told}.includes('answered in')", told)
    Expect.equal (count browser "#frame rect.box") 1 "a box"

    let text selector =
        browser.Read $"document.querySelector('{selector}').textContent"

    Expect.equal (text "#frame .label") "ball 0.50" "its label"
    Expect.equal (text "#list tbody tr") "ball0.5007 1 9 3" "its row"
    focus browser "#list tbody tr"
    Expect.equal (count browser "#frame rect.box.marked") 1 "the box of the row that has the focus"
    expectWhole own browser "answered"
    browser.Set("#threshold", "0.6")
    Expect.equal (count browser "#frame rect") 0 "hidden by the slider"
    browser.Choose("no.png", [| 1uy; 2uy |])
    browser.Until("document.querySelector('#told.wrong')", told)
    Expect.equal (count browser "#drop:enabled") 1 "the next one may come"

[<Tests>]
let tests =
    testSequenced
    <| testList
        "The service's page"
        [
            testCase "a picture is answered with boxes, labels and a table; the slider hides them"
            <| fun () ->
                withBrowser (fun browser ->
                    (withServer (Fake(hasEquilibrium = false)) (ServingOptions()) (fun server _ ->
                        task { look browser server }))
                        .GetAwaiter()
                        .GetResult())
        ]
