/**
 * Server-sent events out of a body's bytes: the data of each event, in order. Knows the format (fields,
 * comments, all three line ends) and nothing of what the data means.
 */

/** Yields the data of every event; comments and other fields are passed over. */
export async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // A carriage return at the end may be half of a line end.
      const whole = done ? rest : rest.replace(/\r$/, "");
      const lines = whole.split(/\r\n|\n|\r/);
      rest = (done ? "" : lines.pop()!) + rest.slice(whole.length);
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
      // An event that its empty line did not close is not complete, and is dropped.
      if (done) return;
    }
  } finally {
    // Closes the connection where the caller stopped early: that is what ends the generation.
    await reader.cancel().catch(() => undefined);
  }
}
