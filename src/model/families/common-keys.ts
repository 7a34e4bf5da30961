/** What config.json of other programs' models may hold whatever the family is. */
import type { ClosedKeys } from "./closed.ts";

/** Keys of any family that change no number, or whose only value that is computed here does. */
export const commonKeys: Omit<ClosedKeys, "read"> = {
  fixed: {
    is_encoder_decoder: [false],
    add_cross_attention: [false],
    cross_attention_hidden_size: [null],
    pruned_heads: [{}],
    tie_encoder_decoder: [false],
    attn_logit_softcapping: [null],
    final_logit_softcapping: [null],
  },
  neutral: {
    dtype: "the files say how each tensor rests",
    torch_dtype: "the older name of dtype",
    transformers_version: "who wrote the file",
    "transformers.js_config": "of another program",
    _name_or_path: "where it was once",
    _attn_implementation: "a matter of speed",
    _attn_implementation_autoset: "a matter of speed",
    attn_implementation: "a matter of speed",
    pad_token_id: "sequences are cut, not padded",
    use_cache: "a matter of speed",
    use_bfloat16: "a matter of speed",
    torchscript: "a matter of speed",
    chunk_size_feed_forward: "a matter of speed",
    initializer_range: "of training only",
    attention_dropout: "of training only",
    is_decoder: "says how another program would use it",
    output_attentions: "says what another program returns",
    output_hidden_states: "says what another program returns",
    return_dict: "says what another program returns",
    tokenizer_class: "tokenizer.json says what is read",
    task_specific_params: "of another program",
    problem_type: "of classifiers",
    id2label: "of classifiers",
    label2id: "of classifiers",
    finetuning_task: "of classifiers",
  },
};

/** Compared with the tokenizer's by whoever has both. */
export const tokenKeys: readonly string[] = ["bos_token_id", "eos_token_id"];
