import { useEffect, useRef, useState } from 'react';
import { readDroppedFiles, type DroppedFiles } from '../api/droppedFiles';

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;

/**
 * Receives files and folders that are dropped anywhere on the page. Browsers would leave the page and show the file.
 * @param onDrop - null ignores them
 * @returns whether files are being dragged over the page
 */
export function useFileDrop(onDrop: ((dropped: DroppedFiles) => void) | null): boolean {
  const [isDraggedOver, setDraggedOver] = useState(false);
  const latest = useRef(onDrop);
  useEffect(() => {
    latest.current = onDrop;
  });
  useEffect(() => {
    // Entering a child comes before leaving its parent.
    let entered = 0;
    const enter = (event: DragEvent): void => {
      if (hasFiles(event) && ++entered === 1) setDraggedOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (hasFiles(event) && --entered === 0) setDraggedOver(false);
    };
    const over = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (!latest.current) event.dataTransfer!.dropEffect = 'none';
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      entered = 0;
      setDraggedOver(false);
      const onFiles = latest.current;
      if (onFiles) void readDroppedFiles(event.dataTransfer!).then(onFiles);
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: over, drop };
    const entries = Object.entries(listeners) as [keyof typeof listeners, (event: DragEvent) => void][];
    for (const [type, listener] of entries) addEventListener(type, listener);
    return () => {
      for (const [type, listener] of entries) removeEventListener(type, listener);
    };
  }, []);
  return isDraggedOver;
}
