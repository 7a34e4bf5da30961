import { backendConformance } from "../../../../test/conformance/backend.ts";
import { referenceBackend } from "./index.ts";

// Ops compared with themselves would prove nothing: golden.test.ts holds them against NumPy.
backendConformance("reference", async () => referenceBackend(), { ops: false });
