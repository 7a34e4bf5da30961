/**
 * Errors as clients of OpenAI's interface read them: a status and `{"error":{message,type,param,code}}`. Internal
 * errors do not tell details.
 */
import { EngramError, InvalidConfigError, RequestError, UnavailableError } from "../errors.ts";

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    /** The parameter that is wrong, if it is a parameter. */
    readonly param: string | null;
    /** Stable across versions. */
    readonly code: string | null;
  };
}

export class ApiError extends EngramError {
  readonly status: number;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    message: string,
    {
      status = 400,
      param = null,
      code = "invalid_value",
      headers = {},
    }: {
      status?: number;
      param?: string | null;
      code?: string;
      headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(code, message);
    this.status = status;
    this.param = param;
    this.headers = headers;
  }
}

/** For a known path with an unsupported method. HEAD works wherever GET does. */
export function methodNotAllowed(
  method: string,
  { path, allowed }: { path: string; allowed: readonly string[] },
): ApiError {
  const allow = allowed.flatMap((one) => (one === "GET" ? ["GET", "HEAD"] : [one])).join(", ");
  return new ApiError(`${path} does not take ${method}; expected ${allow}`, {
    status: 405,
    code: "method_not_allowed",
    headers: { allow },
  });
}

/** Seconds after which a refused client may try again. */
const retryAfter = "1";

/** Converts any error to an `ApiError`. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof UnavailableError) {
    const { code, message } = error;
    const status = code === "queue_full" ? 429 : 503;
    return new ApiError(message, { status, code, headers: { "retry-after": retryAfter } });
  }
  if (error instanceof RequestError || error instanceof InvalidConfigError)
    return new ApiError(error.message, { code: error.code });
  const code = error instanceof EngramError ? error.code : "internal";
  return new ApiError("the server failed to answer this request; its log may say why", {
    status: 500,
    code,
  });
}

export function errorBody({ message, status, param, code }: ApiError): ErrorBody {
  return { error: { message, type: typeOf(status), param, code } };
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  if (status === 404) return "not_found_error";
  if (status === 503) return "unavailable_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

export function errorResponse(error: unknown): Response {
  const answer = apiErrorOf(error);
  return Response.json(errorBody(answer), { status: answer.status, headers: answer.headers });
}
