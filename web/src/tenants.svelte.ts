/** What the corpus says of the rows of some readings, kept up as other tokens are looked at. */
import type { RowReport } from "../../src/inspect/report.ts";
import { corpus } from "./corpus.svelte.ts";
import type { Tenants } from "./origin.ts";
import type { LayerView } from "./token-view.ts";

/** Milliseconds: a pointer that only passes over tokens asks nothing. */
const patience = 90;
/** Milliseconds with something read: what the model says and writes of it comes first. */
const corpusAfter = 600;

/** To be called while a component is made. `readings` is read again whenever what it depends on changes. */
export function watchTenants(readings: () => readonly LayerView[]): { readonly current: Tenants } {
  /** Old answers stay until the new ones are here: rows are told apart by layer and number. */
  let found: Tenants = $state.raw(new Map());
  const isRead = $derived(readings().length > 0);
  $effect(() => {
    if (!isRead) return;
    const timer = setTimeout(() => void corpus.load(), corpusAfter);
    return () => clearTimeout(timer);
  });
  $effect(() => {
    if (!corpus.report) {
      found = new Map();
      return;
    }
    const wanted = readings().map(({ layer, orders }) => ({
      layer,
      rows: orders.flatMap(({ rows }) => rows.map(({ row }) => row)),
    }));
    let isCurrent = true;
    const timer = setTimeout(async () => {
      const next = new Map<string, RowReport>();
      for (const { layer, rows } of wanted)
        for (const row of await corpus.rows(layer, rows)) next.set(`${layer}:${row.row}`, row);
      if (isCurrent) found = next;
    }, patience);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  });
  return {
    get current() {
      return found;
    },
  };
}
