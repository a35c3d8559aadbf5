// Browsers start no worker for a page that is opened from disk: the search then runs in a hidden frame.
// The file has the name by which mkdocs-material knows that it need not load another one from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.onload = () => this.start(frame, url);
      document.body.append(frame);
    }

    start(frame, url) {
      const inside = frame.contentWindow;
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = frame.contentDocument.createElement("script");
      script.src = url;
      script.onload = () => {
        this.postMessage = data => inside.dispatchEvent(new inside.MessageEvent("message", { data }));
        this.waiting.forEach(this.postMessage);
      };
      frame.onload = null;
      frame.contentDocument.body.append(script);
    }

    postMessage(data) {
      this.waiting.push(data);
    }
  };
}
