/** Files out of the page: JSON documents and pictures, made in the browser and saved by it. */

export function saveJson(name: string, document_: unknown): void {
  save(name, new Blob([JSON.stringify(document_, null, 2)], { type: "application/json" }));
}

/** Resolves when the picture has been handed to the browser. */
export async function savePng(name: string, canvas: HTMLCanvasElement): Promise<void> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob === null) throw new Error("this picture is too large for this browser");
  save(name, blob);
}

function save(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has its own hold on the file by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
