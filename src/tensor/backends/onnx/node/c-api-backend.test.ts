import { backendConformance } from "../../../../../test/conformance/backend.ts";
import { ortBackend } from "./c-api-backend.ts";

backendConformance("onnx through the C interface", async () => ortBackend({ threads: 2 }));
