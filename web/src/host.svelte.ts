/**
 * What the page is told by whoever set it up: nothing by a server, by the static site how far its model has come and how
 * to remove what this browser keeps of it. Knows no transport.
 */

class Host {
  /** Of the model's files, as far as it is known how many there are. Undefined where the page loads none. */
  progress: { readonly bytes: number; readonly total: number } | undefined = $state.raw();
  /** Settles when the model is open, or cannot be. Undefined where that is known only by asking. */
  opened: Promise<void> | undefined;
  /** Why the model did not open. */
  failure: Error | undefined = $state.raw();
  /** Other models that this page can open, where the page loads its model. */
  others: readonly { readonly name: string; readonly bytes: number; readonly address: string }[] =
    $state.raw([]);
  /** Removes what this browser keeps for the next visit. */
  removeKept: (() => Promise<void>) | undefined = $state.raw();
}

export const host: Host = new Host();
