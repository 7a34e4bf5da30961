/**
 * The first view as it was at the last visit, shown until the engine has said it anew: of the same build and model, and
 * marked as such. What keeps it is `next-visit.ts`. Knows what the page asks first; no transport.
 */
import { type Inspected, inspection } from "../../web/src/inspection.svelte.ts";
import { keep, keptIn } from "../../web/src/kept.ts";
import { type Props, serverInfo } from "../../web/src/server-info.svelte.ts";
import { modelName } from "./places.ts";

export interface FirstView {
  /** The build, by this script's address, and the model. */
  readonly of: string;
  readonly props: Props;
  readonly report: Inspected;
}

/** In `localStorage`. */
export const firstView = "engram first view";
export const firstViewOf: string = import.meta.url + modelName;

export function forgetFirstView(): void {
  keep("local", firstView, null);
}

export function showFirstView(): void {
  try {
    const { of, props, report } = JSON.parse(keptIn("local", firstView)!) as FirstView;
    if (of !== firstViewOf) return;
    serverInfo.props = props;
    serverInfo.hasModel = true;
    inspection.kept = report;
  } catch {
    // Nothing is kept.
  }
}
