"use strict";
// Streams of the requests that are tried out. Swagger UI shows an answer at its end. Here each operation has a place
// where the events of its stream are shown as they come, with a button that stops it.
//
// A stream occupies a slot of the service, so none goes on where it cannot be seen: it ends when its operation is
// closed, cancelled, cleared or executed again, and when the page is left.

const places = new Map(); // by operation

function placeOf(path, method) {
  const operation = `${method.toUpperCase()} ${path}`;
  if (!places.has(operation)) places.set(operation, new Place(operation));
  return places.get(operation);
}

function add(parent, tag, properties) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

// Place shows what one operation is answered, one request at a time.
class Place {
  running = null; // the request, and the promise that Swagger UI has its answer

  constructor(operation) {
    this.box = Object.assign(document.createElement("section"), { className: "stream", hidden: true });
    this.box.setAttribute("aria-label", `Stream of ${operation}`);
    const head = add(this.box, "header", {});
    this.state = add(head, "b", { className: "stream-state" });
    this.state.setAttribute("role", "status");
    this.count = add(head, "span", { className: "stream-count" });
    this.stop = add(head, "button", { className: "stream-stop", textContent: "Stop", type: "button" });
    const close = add(head, "button", { className: "stream-close", textContent: "Close", type: "button" });
    this.text = add(this.box, "pre", { className: "stream-text", tabIndex: 0 });
    this.text.setAttribute("role", "region");
    this.text.setAttribute("aria-label", `Events of ${operation}`);
    this.stop.onclick = () => this.end("stopped by you");
    close.onclick = () => { this.end("closed by you"); this.box.hidden = true; };
  }

  // mount puts the place into a part of the page, and returns what to do when that part goes.
  mount(part) {
    part.append(this.box);
    return () => { this.end("ended: its operation was closed"); };
  }

  // run sends a request after the one before has ended.
  async run(send) {
    while (this.running) await this.end("ended by the next request");
    const own = this.running = { control: new AbortController() };
    own.settled = Promise.resolve(send()).catch(() => {}).finally(() => {
      if (this.running === own) this.running = null;
    });
    return own.settled;
  }

  // end ends the request, if there is one, and waits until Swagger UI has what came of its answer.
  end(why) {
    this.running?.control.abort(new Error(why));
    return this.running?.settled;
  }

  say(state, count = "") {
    this.box.hidden = false;
    this.state.textContent = state;
    this.count.textContent = count;
    this.stop.disabled = !this.running || this.running.control.signal.aborted;
  }

  // fetch is the browser's fetch, but it shows a stream while it comes. A request that is not answered at once can be
  // stopped too.
  async fetch(url, request) {
    const { signal } = this.running.control;
    this.box.hidden = true;
    this.text.textContent = "";
    const slow = setTimeout(() => this.say("waiting for the answer"), 500);
    try {
      const response = await fetch(url, { ...request, signal });
      clearTimeout(slow);
      if ((response.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
        return await this.read(response, signal);
      }
      this.box.hidden = true;
      return response;
    } catch (err) {
      if (!this.box.hidden) this.say(signal.aborted ? signal.reason.message : "no answer");
      this.stop.disabled = true;
      throw err;
    } finally {
      clearTimeout(slow);
    }
  }

  // read shows a stream, and returns its answer with all that came, also when it was stopped or broke off.
  async read(response, signal) {
    const parts = [], reader = response.body.getReader(), decoder = new TextDecoder(), begun = performance.now();
    let events = 0, failed = false, line = "", kept = "";
    const count = () => `${events} events, ${((performance.now() - begun) / 1000).toFixed(1)} s`;
    let end = "ended";
    try {
      for (let part; !(part = await reader.read()).done;) {
        parts.push(part.value);
        const text = decoder.decode(part.value, { stream: true }), lines = (line + text).split("\n");
        line = lines.pop();
        events += lines.filter((one) => one.startsWith("data:")).length;
        failed ||= lines.some((one) => /^event: ?error/.test(one));
        kept = (kept + text).slice(-100_000); // a long stream keeps its last part
        this.write(kept);
        this.say("running", count());
      }
      if (failed) end = "ended with an error";
    } catch {
      end = signal.aborted ? signal.reason.message : "broken off: the connection was lost";
    }
    this.say(end, count());
    this.stop.disabled = true;
    const { status, statusText, headers } = response;
    return new Response(new Blob(parts), { status, statusText, headers });
  }

  // write replaces the text, and follows its end unless the reader has scrolled back.
  write(text) {
    const t = this.text, follows = t.scrollHeight - t.scrollTop - t.clientHeight < 30;
    t.textContent = text;
    if (follows) t.scrollTop = t.scrollHeight;
  }
}

// Also a page that the browser keeps to go back to runs no streams.
window.addEventListener("pagehide", () => {
  for (const place of places.values()) place.end("ended: the page was left");
});

// streamsInPlace is the plugin for Swagger UI that puts a place above the responses of each operation.
const streamsInPlace = ({ React }) => ({
  wrapComponents: {
    responses: (Responses) => function ResponsesWithStream(props) {
      const part = React.useRef(null), { path, method } = props;
      React.useEffect(() => placeOf(path, method).mount(part.current), [path, method]);
      return React.createElement(React.Fragment, null,
        React.createElement("div", { ref: part }), React.createElement(Responses, props));
    },
    parameters: (Parameters) => function ParametersThatCancel(props) {
      const onCancelClick = () => {
        placeOf(...props.pathMethod).end("ended by Cancel");
        props.onCancelClick();
      };
      return React.createElement(Parameters, { ...props, onCancelClick });
    },
  },
  statePlugins: { spec: { wrapActions: {
    executeRequest: (original) => (request) => {
      const place = placeOf(request.pathName, request.method);
      return place.run(() => original({ ...request, userFetch: (url, sent) => place.fetch(url, sent) }));
    },
    clearResponse: (original) => async (path, method) => {
      const place = placeOf(path, method);
      await place.end("ended by Clear");
      place.box.hidden = true;
      return original(path, method);
    },
  } } },
});
