// The dialog with one 3D view, or two side by side. #molecule=INDEX opens it, so that a link can point to a molecule.
"use strict";
(() => {
  const molecules = JSON.parse(document.getElementById("molecules-data").textContent);
  const element = (id) => document.getElementById(id);
  const dialog = element("viewer-dialog");
  const panes = ["viewer-before", "viewer"]; // the first is for what a crystal was before it was relaxed
  const viewers = {}; // by pane, each made at its first view: a page may have few WebGL contexts
  let drawn = []; // viewers that are seen, each with the structure in it
  let place = -1;

  // 3Dmol's atoms: every bond is listed at both of its ends. Code 4 is aromatic, drawn as 1.5.
  function atoms(molecule) {
    const list = molecule.elements.map((elem, i) => {
      const [x, y, z] = molecule.positions[i];
      return { elem, x, y, z, index: i, serial: i, bonds: [], bondOrder: [] };
    });
    for (const [i, j, order] of molecule.bonds) {
      for (const [from, to] of [[i, j], [j, i]]) {
        list[from].bonds.push(to);
        list[from].bondOrder.push(order === 4 ? 1.5 : order);
      }
    }
    return list;
  }

  function label(viewer, molecule) {
    viewer.removeAllLabels();
    if (!element("numbers").checked) return;
    molecule.elements.forEach((symbol, i) => {
      const charge = molecule.charges[i] ? ` ${molecule.charges[i] > 0 ? "+" : "−"}${Math.abs(molecule.charges[i])}` : "";
      const [x, y, z] = molecule.positions[i];
      const style = { fontSize: 12, backgroundOpacity: 0.55, alignment: "center", inFront: true };
      viewer.addLabel(`${symbol}${i}${charge}`, { position: { x, y, z }, ...style });
    });
  }

  function paragraphs(molecule) {
    const atomCount = `${molecule.elements.length} atoms, ${molecule.bonds.length} bonds; atoms are counted from 0`;
    const lines = [[molecule.origin, atomCount].filter(Boolean).join(" · "), ...molecule.reasons];
    element("viewer-text").replaceChildren(
      ...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })),
    );
  }

  // The twelve edges of a crystal's cell; a molecule has none.
  function edges(viewer, cell) {
    if (!cell.length) return;
    const corner = (bits) => ["x", "y", "z"].reduce((point, axis, k) => {
      point[axis] = cell.reduce((sum, row, i) => sum + (bits >> i & 1) * row[k], 0);
      return point;
    }, {});
    for (let bits = 0; bits < 8; bits += 1) {
      for (const bit of [1, 2, 4]) {
        if (!(bits & bit)) {
          viewer.addCylinder({ start: corner(bits), end: corner(bits | bit), radius: 0.03, color: "gray" });
        }
      }
    }
  }

  function viewerIn(pane) {
    if (!viewers[pane]) {
      viewers[pane] = window.$3Dmol.createViewer(element(pane), { id: `${pane}-canvas`, backgroundAlpha: 0, antialias: true });
      const others = panes.filter((other) => other !== pane && viewers[other]);
      for (const other of viewers[pane] ? others : []) { // both turn when one is turned
        viewers[pane].linkViewer(viewers[other]);
        viewers[other].linkViewer(viewers[pane]);
      }
    }
    // Without WebGL the library stays silent and the canvas empty.
    if (!viewers[pane] || viewers[pane].getRenderer().isLost()) throw new Error("no WebGL");
    return viewers[pane];
  }

  function fill(viewer, molecule) {
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.addModel().addAtoms(atoms(molecule));
    viewer.setStyle({}, { stick: { radius: 0.12 }, sphere: { scale: 0.26 } });
    edges(viewer, molecule.cell);
    label(viewer, molecule);
    viewer.resize();
    viewer.zoomTo();
    viewer.render();
  }

  function draw(molecule) {
    const shown = { "viewer-before": molecule.before, viewer: molecule };
    for (const pane of panes) {
      const figure = element(pane).parentElement;
      figure.hidden = !shown[pane];
      figure.querySelector("figcaption").hidden = !molecule.before;
    }
    drawn = panes.filter((pane) => shown[pane]).map((pane) => [viewerIn(pane), shown[pane]]);
    for (const [viewer, structure] of drawn) fill(viewer, structure);
    spin();
  }

  // One of two linked views turns the other.
  function spin() {
    if (viewers.viewer) viewers.viewer.spin(element("spin").checked ? "y" : false);
  }

  function show(at) {
    place = at;
    const molecule = molecules[at];
    element("viewer-title").textContent = molecule.title;
    paragraphs(molecule);
    if (!dialog.open) dialog.showModal();
    try {
      draw(molecule);
    } catch {
      element("viewer").textContent = "This browser has no WebGL, which 3D views need.";
    }
  }

  function absent(index) {
    element("viewer-title").textContent = `Record ${index}`;
    element("viewer-text").textContent = "This record is not among the molecules of this report.";
    for (const viewer of Object.values(viewers)) viewer.clear();
    if (!dialog.open) dialog.showModal();
  }

  function leave() {
    if (viewers.viewer) viewers.viewer.spin(false);
    if (location.hash.startsWith("#molecule=")) history.replaceState(null, "", location.pathname + location.search);
  }

  // The address follows the view without an entry in the history for each.
  function go(by) {
    const next = molecules[(place + by + molecules.length) % molecules.length];
    history.replaceState(null, "", `#molecule=${next.index}`);
    route();
  }

  function route() {
    const match = /^#molecule=(\d+)$/.exec(location.hash);
    if (!match) {
      if (dialog.open) dialog.close();
      return;
    }
    const at = molecules.findIndex((molecule) => molecule.index === Number(match[1]));
    if (at >= 0) show(at);
    else absent(match[1]);
  }

  element("previous").addEventListener("click", () => go(-1));
  element("next").addEventListener("click", () => go(1));
  element("close").addEventListener("click", () => {
    dialog.close();
    leave();
  });
  element("spin").addEventListener("change", spin);
  element("numbers").addEventListener("change", () => {
    for (const [viewer, structure] of drawn) {
      label(viewer, structure);
      viewer.render();
    }
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  });
  dialog.addEventListener("close", leave); // by the Escape key
  window.addEventListener("hashchange", route);
  route();
})();
