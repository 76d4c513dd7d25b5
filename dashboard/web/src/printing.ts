// Paper has room for what a screen leaves out.
import { useEffect, useState } from "preact/hooks";

/** Whether the page is being printed; what changes with it is on the paper. */
export function usePrinting(): boolean {
  const paper = matchMedia("print");
  const [printing, set] = useState(paper.matches);
  useEffect(() => {
    const told = () => set(paper.matches);
    paper.addEventListener("change", told);
    return () => paper.removeEventListener("change", told);
  }, []);
  return printing;
}
