import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { GraphBuilder, referenceBackend, runOnce, valueOf } from "../tensor/index.ts";
import { engramGate, gateOf, shortConv } from "./index.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../test/golden/engram-numeric-vectors.json", import.meta.url), "utf8"),
);
const flat = (x: unknown): Float32Array => Float32Array.from([x].flat(9) as number[]);

test("the gate is the released model's at its edges, -0 included", async () => {
  const cases = golden.gate_edges_v41 as [number, string, number][];
  const s = Float32Array.from(cases, ([x, note]) => (note === "neg0" ? -0 : x));
  const g = new GraphBuilder();
  const graph = g.build({ gate: gateOf(g, g.input("s", "f32", [s.length])) });
  const out = await runOnce(referenceBackend(), graph, { s: valueOf(s, [s.length]) });
  toBeClose(out["gate"]!.data, flat(cases.map((c) => c[2])), { rtol: 1e-6, atol: 0 });
});

test("gate and write are the released model's for several branches", async () => {
  const { h, key, value, q_weight, k_weight, eps, gate, out_f32 } = golden.v41_gate_example;
  const g = new GraphBuilder();
  const hidden = g.constant(flat(h), [1, 2, 4]);
  const a_NG1 = engramGate(g, {
    hidden,
    key: g.constant(flat(key), [1, 2, 4]),
    queryGain_GD: g.constant(flat(q_weight), [2, 4]),
    keyGain_GD: g.constant(flat(k_weight), [2, 4]),
    eps,
  });
  const out = g.add(hidden, g.mul(a_NG1, g.constant(flat(value), [1, 1, 4])));
  const result = await runOnce(referenceBackend(), g.build({ gate: a_NG1, out }), {});
  toBeClose(result["gate"]!.data, flat(gate), { rtol: 1e-6, atol: 0 });
  toBeClose(result["out"]!.data, flat(out_f32), { rtol: 1e-6, atol: 1e-6 });
});

test("gate, value and short convolution are the paper's demo over eleven tokens", async () => {
  const v = golden.v1_example;
  const T: number = v.T;
  const g = new GraphBuilder();
  const e_TE = g.constant(flat(v.e), [T, 2]);
  const hidden_TGD = g.constant(flat(v.hidden), [T, 2, 2]);
  const project = (w: unknown, b: unknown) =>
    g.add(g.matmul(e_TE, g.constant(flat(w), [2, 2]), { transB: true }), g.constant(flat(b), [2]));
  const key_TGD = g.concat(
    [0, 1].map((m) => g.reshape(project(v.Wk[m], v.bk[m]), [T, 1, 2])),
    1,
  );
  const ones = g.constant(new Float32Array(4).fill(1), [2, 2]);
  const gate_TG1 = engramGate(g, {
    hidden: hidden_TGD,
    key: key_TGD,
    queryGain_GD: ones,
    keyGain_GD: ones,
    eps: v.rms_eps_qk,
  });
  const value_T1D = g.reshape(project(v.Wv, v.bv), [T, 1, 2]);
  const gated_TGD = g.mul(value_T1D, gate_TG1);
  const out_BTGD = shortConv(g, {
    u_BTGD: g.reshape(gated_TGD, [1, T, 2, 2]),
    gain_GD: ones,
    kernel_C1K: g.constant(flat(v.conv_weight), [4, 1, 4]),
    dilation: v.dilation,
    eps: v.rms_eps_conv,
    shift: (x, by) => (by === 0 ? x : g.pad(g.slice(x, 1, 0, T - by), 1, by, 0)),
  });
  const outputs = { gate: gate_TG1, gated: gated_TGD, out: out_BTGD };
  const result = await runOnce(referenceBackend(), g.build(outputs), {});
  const near = { rtol: 1e-5, atol: 1e-6 };
  toBeClose(result["gate"]!.data, flat(v.gates), near);
  toBeClose(result["gated"]!.data, flat(v.gated_value), near);
  toBeClose(result["out"]!.data, flat(v.engram_out), near);
  assert.equal(result["out"]!.data.length, T * 4);
});
