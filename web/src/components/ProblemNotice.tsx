import { type ReactNode } from 'react';
import { type Problem } from '../api/errors';
import { Icon } from './Icon';

export interface ProblemNoticeProps {
  readonly problem: Problem;
  readonly children?: ReactNode;
}

/** An error, with what to do. */
export function ProblemNotice({ problem, children }: ProblemNoticeProps): React.JSX.Element {
  return (
    <div className="problem-notice" role="alert">
      <Icon name="warning" />
      <div>
        <p>
          <strong>{problem.message}</strong>
        </p>
        {problem.advice !== null && <p>{problem.advice}</p>}
        <p className="problem-code">{problem.code}</p>
        {children}
      </div>
    </div>
  );
}
