'use strict';

/* asv asks for graphs that there are not, of benchmarks that were not measured everywhere, and sees by the error that
   there is none. `graphs_of` in index.json says it beforehand: of each benchmark, which entries of graph_param_list. */
(function () {
    var known = null;

    function list() {
        var index = $.asv.main_json;
        known = new Set();
        index.graph_param_list.forEach(function (params) {
            known.add($.asv.graph_to_path('summary', params));
        });
        Object.keys(index.graphs_of).forEach(function (name) {
            known.add($.asv.graph_to_path(name, {summary: ''}));
            index.graphs_of[name].forEach(function (place) {
                known.add($.asv.graph_to_path(name, index.graph_param_list[place]));
            });
        });
    }

    window.pacelineHasGraph = function (address) {
        if (known === null) {
            list();
        }
        return known.has(address);
    };
})();

/* asv's page of regressions does not say on which machine, nor by which engine or Python, something became slower.
   `params` are those in which graphs differ; what the name of the machine stands for is left out. */
window.pacelineWhere = function (params) {
    var implied = ['branch', 'arch', 'cpu', 'num_cpu', 'os', 'ram'];
    var said = Object.keys(params).sort().filter(function (name) {
        return implied.indexOf(name) < 0 && params[name];
    }).map(function (name) {
        return name === 'machine' ? params[name] : name + ' ' + params[name];
    });
    return said.length ? $('<div class="where"/>').text(said.join(', ')) : '';
};

/* A page opened from disk may not fetch files, but may load scripts: beside each x.json that asv's pages ask for lies
   an x.json.js that hands the same data to pacelineData. */
(function () {
    var handed;
    window.pacelineData = function (data) { handed = data; };

    if (window.location.protocol !== 'file:') {
        return;
    }
    $.ajaxTransport('+json', function (options) {
        var script = document.createElement('script');
        return {
            send: function (headers, done) {
                script.src = options.url.replace(/\?.*$/, '') + '.js';
                /* `load` follows the script at once: no other script runs in between. */
                script.onload = function () {
                    script.remove();
                    done(200, 'success', {json: handed});
                };
                script.onerror = function () {
                    script.remove();
                    done(404, 'error');
                };
                document.head.appendChild(script);
            },
            abort: function () { script.remove(); }
        };
    });
    /* asv asks for a picture to tell whether its server is still there. */
    $.ajaxTransport('+text', function () {
        return {
            send: function (headers, done) { done(200, 'success', {text: ''}); },
            abort: function () {}
        };
    });
})();
