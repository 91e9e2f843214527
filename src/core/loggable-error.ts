/** How many causes of an error are told. */
const maxCauses = 3;

/**
 * An error as it may be logged: without the statement and its parameters, the row, the request and the like that
 * libraries hang on their errors, which may hold a prompt, a password or a signature.
 */
export function loggableError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  const causes = causesOf(error);
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    stack,
    ...(causes.length > 0 && { cause: causes.join(' < ') }),
  };
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let { cause } = error; cause instanceof Error && causes.length < maxCauses; cause = cause.cause) {
    causes.push(`${cause.name}: ${cause.message}`);
  }
  return causes;
}
