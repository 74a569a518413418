// Puts in what the daemon sends: one event for each section that changed.
"use strict";

(() => {
  const root = document.documentElement;
  const away = document.getElementById("away");
  const late = new Map(); // sections that changed while somebody uses them
  let stream = null;
  let retry = 0;
  let since = null;

  function busy(place) {
    const selection = document.getSelection();
    return (
      place.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && selection.containsNode(place, true))
    );
  }

  function put(name, html) {
    const place = document.querySelector(`#${name} > .live`);
    if (!place) return;
    if (busy(place)) {
      late.set(name, html);
      return;
    }
    late.delete(name);
    const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.key));
    const mood = place.querySelector("[role=status]");
    place.innerHTML = html;
    for (const one of place.querySelectorAll("details")) one.open = open.has(one.dataset.key);
    // The element that is read out stays, so that only another state is.
    const told = place.querySelector("[role=status]");
    if (mood && told) {
      if (mood.textContent !== told.textContent) mood.textContent = told.textContent;
      mood.className = told.className;
      told.replaceWith(mood);
    }
  }

  function putLate() {
    for (const [name, html] of [...late]) put(name, html);
  }

  function lost() {
    if (since === null) since = new Date();
    const time = since.toLocaleTimeString(root.lang);
    const text = away.dataset.text.replace("{time}", time);
    if (away.textContent !== text) away.textContent = text;
    away.hidden = false;
    root.classList.add("away");
    // A browser tries again by itself, unless it was turned away.
    if (stream && stream.readyState === EventSource.CLOSED) {
      clearTimeout(retry);
      retry = setTimeout(connect, 3000);
    }
  }

  function connect() {
    if (stream) stream.close();
    stream = new EventSource(document.body.dataset.events);
    stream.addEventListener("hello", (event) => {
      if (event.data !== root.dataset.version) {
        location.reload();
        return;
      }
      since = null;
      away.hidden = true;
      root.classList.remove("away");
    });
    stream.addEventListener("error", lost);
    for (const section of document.querySelectorAll("[data-live]"))
      stream.addEventListener(section.id, (event) => put(section.id, event.data));
  }

  function rest() {
    clearTimeout(retry);
    if (stream) stream.close();
    stream = null;
  }

  document.addEventListener("focusout", () => setTimeout(putLate));
  document.addEventListener("selectionchange", putLate);
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : connect()));
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key !== "/" || field || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const box = document.getElementById("q");
    box.focus();
    box.select();
  });

  const found = document.getElementById("hits-heading");
  if (found) found.focus(); // what was asked for comes first, also for who hears the page
  if (!document.hidden) connect();
})();
