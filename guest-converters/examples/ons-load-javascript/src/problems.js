// Exceptions as problems. Every converter can use this file as it is.

/**
 * The converter, with each exception reported as a problem. Otherwise componentize-js would take an `Error` for the error of a `result`,
 * which has other members, and its message would be lost.
 */
export function reporting(converter) {
  const guard = (method, failure) => (...values) => {
    try {
      return method(...values);
    } catch (error) {
      if (!(error instanceof Error)) {
        throw error;
      }
      // A line of the loader's log.
      console.error(error.stack);
      throw failure({ code: 'exception', message: `${error}`, column: undefined });
    }
  };
  return {
    describe: converter.describe,
    prepare: guard(converter.prepare, (problem) => [problem]),
    translate: guard(converter.translate, (problem) => problem),
    convert: guard(converter.convert, (problem) => problem),
  };
}
