import { backendConformance } from "../../../../../test/conformance/backend.ts";
import { publicOrtBackend } from "./public-backend.ts";

backendConformance("onnx through the public interface", async () =>
  publicOrtBackend({ threads: 2 }),
);
