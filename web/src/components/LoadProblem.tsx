import { useEffect } from 'react';
import { type CombinedError } from 'urql';
import { readProblem } from '../api/errors';
import { Icon } from './Icon';
import { ProblemNotice } from './ProblemNotice';

export interface LoadProblemProps {
  readonly error: CombinedError;
  /** Loads again. Also called when the browser is online again. */
  readonly onRetry: () => void;
}

/** Stands in the place of something that could not be loaded. */
export function LoadProblem({ error, onRetry }: LoadProblemProps): React.JSX.Element {
  const problem = readProblem(error);
  useEffect(() => {
    addEventListener('online', onRetry);
    return () => removeEventListener('online', onRetry);
  }, [onRetry]);
  // The usual advice on temporary problems is about orders, which are sent again without being asked.
  const advice = problem.isTemporary ? 'Nothing is lost. Try again in a moment.' : problem.advice;
  return (
    <ProblemNotice problem={{ ...problem, advice }}>
      <button type="button" className="button" onClick={onRetry}>
        <Icon name="retry" />
        Try again
      </button>
    </ProblemNotice>
  );
}
