// The arrows that unfold the sidebar have a name for those who cannot see them.
document.querySelectorAll("nav summary:not([aria-label])").forEach((arrow) => {
  const link = arrow.closest("li")?.querySelector("a");
  arrow.setAttribute("aria-label", `Pages below ${link ? link.textContent.trim() : "this one"}`);
});
