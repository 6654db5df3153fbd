'use strict';

/* asv requests graphs of benchmarks that were not measured with all parameters, and ignores the errors. `graphs_of` in
   index.json avoids these requests: it lists the entries of graph_param_list that each benchmark has. */
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

/* asv's page of regressions does not name the machine, engine or Python of a regression. `params` are those in which
   graphs differ; those that are part of the machine's name are left out. */
window.pacelineWhere = function (params) {
    var implied = ['branch', 'arch', 'cpu', 'num_cpu', 'os', 'ram'];
    var said = Object.keys(params).sort().filter(function (name) {
        return implied.indexOf(name) < 0 && params[name];
    }).map(function (name) {
        return name === 'machine' ? params[name] : name + ' ' + params[name];
    });
    return said.length ? $('<div class="where"/>').text(said.join(', ')) : '';
};

/* A page opened from disk cannot fetch files, but can load scripts. So next to each x.json of asv's pages there is an
   x.json.js that passes the same data to pacelineData. */
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
                /* `load` comes directly after the script: no other script runs in between. */
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
    /* asv requests a picture to check that its server still runs. */
    $.ajaxTransport('+text', function () {
        return {
            send: function (headers, done) { done(200, 'success', {text: ''}); },
            abort: function () {}
        };
    });
})();
